"""Tokens that are refused before they expire: by their own id, or by their user."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from sql.records import naive_utc
from sql.schema import revoked_tokens, users


@dataclass(frozen=True)
class Revoked:
    """All that is refused now.

    tokens: ids (jti); disabled: user names; until: by user name, the Unix time in seconds of the
    last issue that is refused.
    """

    tokens: frozenset[str] = frozenset()
    disabled: frozenset[str] = frozenset()
    until: Mapping[str, float] = field(default_factory=dict)


def revoke_token(engine: sa.Engine, jti: str, expires_at: float, by: str) -> None:
    """Refuse a token from now on; nothing happens where it is refused already.

    expires_at: Unix time in seconds, after which the row is pruned. by: who revokes.
    """
    now = naive_utc(datetime.now(UTC))
    row = {
        "jti": jti,
        "expires_at_utc": naive_utc(datetime.fromtimestamp(expires_at, UTC)),
        "revoked_at_utc": now,
        "revoked_by": by[:200],
    }
    with engine.begin() as connection:
        expired = revoked_tokens.c.expires_at_utc < now
        connection.execute(revoked_tokens.delete().where(expired))
    try:
        with engine.begin() as connection:
            connection.execute(revoked_tokens.insert(), row)
    except IntegrityError:
        return  # it was revoked before


def load_revoked(engine: sa.Engine) -> Revoked:
    """What is refused at this moment. Raises SQLAlchemy's errors where the database is away."""
    now = naive_utc(datetime.now(UTC))
    ids = sa.select(revoked_tokens.c.jti).where(revoked_tokens.c.expires_at_utc >= now)
    marked = sa.select(users.c.name, users.c.disabled, users.c.tokens_revoked_at_utc).where(
        (users.c.disabled == sa.true()) | users.c.tokens_revoked_at_utc.is_not(None)
    )
    with engine.connect() as connection:
        tokens = frozenset(connection.scalars(ids))
        rows = connection.execute(marked).all()
    until = {
        row.name: row.tokens_revoked_at_utc.replace(tzinfo=UTC).timestamp()
        for row in rows
        if row.tokens_revoked_at_utc is not None
    }
    return Revoked(tokens, frozenset(row.name for row in rows if row.disabled), until)
