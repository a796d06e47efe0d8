"""Tokens that are refused before they expire: by their own id, or by their user.

A user who was deleted leaves a row here, under a hash of the name, until no token of theirs can be
valid any more: a user who is added under the same name later does not get the old tokens back.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from sql.connections import opened, transaction
from sql.records import naive_utc, unix_seconds
from sql.schema import revoked_tokens, users

# How long a token may live of which nothing is known: longer than any that an issuer hands out.
LONGEST_LIFE_SECONDS = 400 * 24 * 3600
DELETED = "deleted-user:"
LAST_MOMENT = 253_402_300_000  # Unix seconds, in the last hour of the year 9999


@dataclass(frozen=True)
class Revoked:
    """All that is refused now.

    tokens: ids (jti); disabled: user names; until: by user name, the Unix time in seconds of the
    last issue that is refused; deleted: the same by `deleted_key` of users who were deleted.
    """

    tokens: frozenset[str] = frozenset()
    disabled: frozenset[str] = frozenset()
    until: Mapping[str, float] = field(default_factory=dict)
    deleted: Mapping[str, float] = field(default_factory=dict)


def revoke_token(engine: sa.Engine, jti: str, expires_at: float, by: str) -> None:
    """Refuse a token from now on; nothing happens where it is refused already.

    expires_at: Unix time in seconds, after which the row is pruned. by: who revokes.
    """
    now = naive_utc(datetime.now(UTC))
    row = {
        "jti": jti,
        "expires_at_utc": naive_utc(datetime.fromtimestamp(min(expires_at, LAST_MOMENT), UTC)),
        "revoked_at_utc": now,
        "revoked_by": _fitting(by),
    }
    with transaction(engine) as connection:
        expired = revoked_tokens.c.expires_at_utc < now
        connection.execute(revoked_tokens.delete().where(expired))
    try:
        with transaction(engine) as connection:
            connection.execute(revoked_tokens.insert(), row)
    except IntegrityError:
        return  # it was revoked before


def load_revoked(engine: sa.Engine) -> Revoked:
    """What is refused at this moment. Raises SQLAlchemy's errors where the database is away."""
    now = naive_utc(datetime.now(UTC))
    ids = sa.select(revoked_tokens.c.jti, revoked_tokens.c.revoked_at_utc).where(
        revoked_tokens.c.expires_at_utc >= now
    )
    marked = sa.select(users.c.name, users.c.disabled, users.c.tokens_revoked_at_utc).where(
        (users.c.disabled == sa.true()) | users.c.tokens_revoked_at_utc.is_not(None)
    )
    with opened(engine) as connection:
        listed = connection.execute(ids).all()
        rows = connection.execute(marked).all()
    until = {
        row.name: unix_seconds(row.tokens_revoked_at_utc)
        for row in rows
        if row.tokens_revoked_at_utc is not None
    }
    deleted = {
        row.jti: unix_seconds(row.revoked_at_utc) for row in listed if row.jti.startswith(DELETED)
    }
    tokens = frozenset(row.jti for row in listed) - deleted.keys()
    return Revoked(tokens, frozenset(row.name for row in rows if row.disabled), until, deleted)


def deleted_key(name: str) -> str:
    """What stands for the name of a user who was deleted."""
    return DELETED + hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()


def deletion_of(connection: sa.Connection, name: str) -> datetime | None:
    """Until when tokens of a former user of this name are refused; None where there was none."""
    query = sa.select(revoked_tokens.c.revoked_at_utc).where(
        revoked_tokens.c.jti == deleted_key(name)
    )
    found: datetime | None = connection.scalar(query)
    return found


def note_deletion(connection: sa.Connection, name: str, until: datetime, by: str) -> None:
    """Refuse every token of the user that was issued up to `until` (naive, UTC)."""
    jti, life = deleted_key(name), timedelta(seconds=LONGEST_LIFE_SECONDS)
    connection.execute(revoked_tokens.delete().where(revoked_tokens.c.jti == jti))
    row = {
        "jti": jti,
        "expires_at_utc": naive_utc(datetime.now(UTC)) + life,
        "revoked_at_utc": until,
        "revoked_by": _fitting(by),
    }
    connection.execute(revoked_tokens.insert(), row)


def _fitting(by: str) -> str:
    """As much of a name as the column holds: SQL Server counts an emoji twice."""
    return by.encode("utf-16-le", "surrogatepass")[:400].decode("utf-16-le", "ignore")
