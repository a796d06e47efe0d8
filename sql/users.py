"""The API's users. Passwords arrive here as hashes; no plain one is ever stored."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from leafgate.errors import UserError
from sql.request_log import naive_utc
from sql.schema import users

SCOPES = ("predict", "generate", "feedback", "admin")


@dataclass(frozen=True)
class User:
    """One who may sign in."""

    name: str
    password_hash: str
    scopes: frozenset[str]
    disabled: bool


def add_user(engine: sa.Engine, name: str, password_hash: str, scopes: Iterable[str]) -> User:
    """Store a new user. Raises UserError for a name that is taken or a scope that is unknown."""
    wanted = frozenset(scopes)
    unknown = sorted(wanted - set(SCOPES))
    if unknown or not wanted:
        problem = f"unknown scope {unknown[0]!r}" if unknown else "no scope given"
        raise UserError(problem, f"scopes are: {', '.join(SCOPES)}")
    if not name.strip():
        raise UserError(f"user name {name!r}", "give a name that is not empty")
    row = {
        "name": name,
        "password_hash": password_hash,
        "scopes": " ".join(sorted(wanted)),
        "created_at_utc": naive_utc(datetime.now(UTC)),
        "disabled": False,
    }
    try:
        with engine.begin() as connection:
            connection.execute(users.insert(), row)
    except IntegrityError:
        raise UserError(f"there is a user {name!r} already", "choose another name") from None
    return User(name, password_hash, wanted, disabled=False)


def find_user(engine: sa.Engine, name: str) -> User | None:
    """The user of that name, or None."""
    with engine.connect() as connection:
        row = connection.execute(sa.select(users).where(users.c.name == name)).first()
    if row is None:
        return None
    return User(row.name, row.password_hash, frozenset(row.scopes.split()), bool(row.disabled))
