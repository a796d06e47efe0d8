"""The API's users. Passwords arrive here as hashes; no plain one is ever stored.

New names are stored in NFC. A name is found in whichever Unicode form it is given or stored:
`é` may be one character or two.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from leafgate.errors import UserError
from leafgate.progress import plain
from leafgate.unicode_forms import forms_of, nfc
from sql.connections import opened, transaction
from sql.records import is_storable, naive_utc, unix_seconds
from sql.revoked_tokens import deletion_of, note_deletion
from sql.schema import users

SCOPES = ("predict", "generate", "feedback", "admin")
STANDARD_PLAN = "standard"
MAX_NAME_CHARACTERS = 100
SHOWN_CHARACTERS = 40  # of a name that is refused
TICK = timedelta(milliseconds=1)  # the smallest difference that is stored
# How a database is asked for names with a character beyond ASCII.
BEYOND_ASCII = {
    "sqlite": ("GLOB", "*[^ -~]*"),
    "postgresql": ("~", "[^ -~]"),
    "mssql": ("LIKE", "%[^ -~]%"),
}


@dataclass(frozen=True)
class User:
    """One who may sign in. plan: how often they may ask; see `serving.plans`.

    created_at: a Unix time in seconds. tokens_from: the same; it grows whenever all their tokens
    are revoked, also where the clock was set back. A token carries it, and an older one is refused.
    """

    name: str
    password_hash: str
    scopes: frozenset[str]
    disabled: bool
    plan: str = STANDARD_PLAN
    created_at: float = 0.0
    tokens_from: float = 0.0


def add_user(
    engine: sa.Engine,
    name: str,
    password_hash: str,
    scopes: Iterable[str],
    plan: str = STANDARD_PLAN,
) -> User:
    """Store a new user. Raises UserError for a name that is taken or cannot be stored, or a scope
    that is unknown.
    """
    wanted, name = _known_scopes(scopes), nfc(name)
    if problem := _name_problem(name):
        raise UserError(
            f"the user name {name[:SHOWN_CHARACTERS]!r} {problem}",
            f"give a name of 1 to {MAX_NAME_CHARACTERS} characters that can be printed",
            code="bad_user_name",
        )
    row: dict[str, Any] = {
        "name": name,
        "password_hash": password_hash,
        "scopes": " ".join(sorted(wanted)),
        "disabled": False,
        "plan": plan,
    }
    try:
        with transaction(engine) as connection:
            if _found(connection, name) is not None:
                raise _is_taken(name)
            former = deletion_of(connection, name)
            now = _now()
            row["created_at_utc"] = now if former is None else max(now, former + TICK)
            row["tokens_revoked_at_utc"] = former
            connection.execute(users.insert(), row)
    except IntegrityError:
        raise _is_taken(name) from None
    created = unix_seconds(row["created_at_utc"])
    return User(name, password_hash, wanted, False, plan, created, created)


def _name_problem(name: str) -> str | None:
    """What keeps a name from being a user's; None: nothing does."""
    if not name.strip():
        return "is empty"
    if len(name) > MAX_NAME_CHARACTERS:
        return f"has {len(name)} characters"
    if not is_storable(name):
        return "is not text in UTF-8"
    if name != plain(name) or "\n" in name or "\t" in name:
        return "has a control character"
    return None


def delete_user(engine: sa.Engine, name: str, by: str) -> None:
    """Delete a user; every token of theirs is refused, also once the name is given to another.

    by: who deletes. Raises UserError `no_such_user`.
    """
    with transaction(engine) as connection:
        row = _require(connection, name)
        note_deletion(connection, row.name, max(_now(), _tokens_from(row)), by)
        connection.execute(users.delete().where(users.c.name == row.name))


def find_user(engine: sa.Engine, name: str) -> User | None:
    """The user of that name, or None."""
    with opened(engine) as connection:
        row = _found(connection, name)
    return None if row is None else _user(row)


def list_users(engine: sa.Engine) -> list[User]:
    """Every user, by name."""
    with opened(engine) as connection:
        return [_user(row) for row in connection.execute(sa.select(users).order_by(users.c.name))]


def set_disabled(engine: sa.Engine, name: str, disabled: bool) -> None:
    """Let a user in, or keep them out. Raises UserError `no_such_user`, as do all below."""
    _change(engine, name, disabled=disabled)


def set_plan(engine: sa.Engine, name: str, plan: str) -> None:
    """Another plan, from the next token on."""
    _change(engine, name, plan=plan)


def set_password(engine: sa.Engine, name: str, password_hash: str) -> None:
    """Another password; the tokens that the old one bought end with it."""
    _revoke(engine, name, password_hash=password_hash)


def set_scopes(engine: sa.Engine, name: str, scopes: Iterable[str]) -> frozenset[str]:
    """Other scopes; the tokens that carry the old ones end with them."""
    wanted = _known_scopes(scopes)
    _revoke(engine, name, scopes=" ".join(sorted(wanted)))
    return wanted


def revoke_tokens_of(engine: sa.Engine, name: str) -> None:
    """Refuse every token of the user that was issued until now."""
    _revoke(engine, name)


def _revoke(engine: sa.Engine, name: str, **values: Any) -> None:  # noqa: ANN401 - of columns
    with transaction(engine) as connection:
        row = _require(connection, name)
        values["tokens_revoked_at_utc"] = max(_now(), _tokens_from(row))
        connection.execute(users.update().where(users.c.name == row.name).values(**values))


def _change(engine: sa.Engine, name: str, **values: Any) -> None:  # noqa: ANN401 - of columns
    with transaction(engine) as connection:
        row = _require(connection, name)
        connection.execute(users.update().where(users.c.name == row.name).values(**values))


def _require(connection: sa.Connection, name: str) -> sa.Row[Any]:
    """The row of that user. Raises UserError `no_such_user`."""
    row = _found(connection, name)
    if row is None:
        raise _no_such_user(name)
    return row


def _found(connection: sa.Connection, name: str) -> sa.Row[Any] | None:
    """The row of that user: spelt as given, else in any other Unicode form of the same name."""
    if not is_storable(name):  # the database would refuse the question
        return None
    stored = name if name.isascii() else _as_stored(connection, name)
    return connection.execute(sa.select(users).where(users.c.name == stored)).first()


def _as_stored(connection: sa.Connection, name: str) -> str:
    """The name as it is stored, or as it is given where there is no such user.

    A database compares code points. Names of before may be in NFD, or in neither form, as some
    Vietnamese keyboards type; all forms of a name begin with the same letters of ASCII. Anybody can
    ask for such a name, so the database leaves out the names that are all ASCII: of a large table
    those are most.
    """
    same = nfc(name)
    start = same[: next(at for at, each in enumerate(same + "\x80") if not each.isascii())]
    likely = [users.c.name.startswith(start, autoescape=True)]
    if not same.isascii() and (beyond_ascii := BEYOND_ASCII.get(connection.dialect.name)):
        operator, pattern = beyond_ascii
        likely.append(users.c.name.op(operator, is_comparison=True)(pattern))
    stored = set(connection.scalars(sa.select(users.c.name).where(*likely)))
    same_name = [each for each in (name, *forms_of(name), *sorted(stored)) if nfc(each) == same]
    return next((each for each in same_name if each in stored), name)


def _is_taken(name: str) -> UserError:
    return UserError(f"there is a user {name!r} already", "choose another name")


def _no_such_user(name: str) -> UserError:
    return UserError(
        f"there is no user {name!r}", "`leafgate users list` names them", code="no_such_user"
    )


def _known_scopes(scopes: Iterable[str]) -> frozenset[str]:
    wanted = frozenset(scopes)
    unknown = sorted(wanted - set(SCOPES))
    if unknown or not wanted:
        problem = f"unknown scope {unknown[0]!r}" if unknown else "no scope given"
        raise UserError(problem, f"scopes are: {', '.join(SCOPES)}")
    return wanted


def _user(row: sa.Row[Any]) -> User:
    scopes = frozenset(row.scopes.split())
    created, first = unix_seconds(row.created_at_utc), unix_seconds(_tokens_from(row))
    return User(row.name, row.password_hash, scopes, bool(row.disabled), row.plan, created, first)


def _tokens_from(row: sa.Row[Any]) -> datetime:
    """From when on the tokens of a user are good, as it is stored."""
    revoked: datetime | None = row.tokens_revoked_at_utc
    created: datetime = row.created_at_utc
    return created if revoked is None else max(created, revoked + TICK)


def _now() -> datetime:
    return naive_utc(datetime.now(UTC))
