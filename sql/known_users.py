"""Which users there are and since when, for a service that asks every few seconds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa

from sql.connections import opened
from sql.records import unix_seconds
from sql.schema import users

MAX_KNOWN = 50_000  # some 10 MB


@dataclass(frozen=True)
class KnownUsers:
    """Users by name, with the Unix time in seconds of when each was added.

    is_complete: whether it holds all of them, or only the `MAX_KNOWN` that were added last.
    state: number of users and newest addition; while it is the same, so are the users.
    """

    created: Mapping[str, float] = field(default_factory=dict)
    is_complete: bool = True
    state: tuple[int, datetime | None] | None = None


def load_users(engine: sa.Engine, before: KnownUsers | None = None) -> KnownUsers:
    """The users at this moment. before: returned again where nothing has changed since.

    Raises SQLAlchemy's errors where the database is away.
    """
    counted = sa.select(sa.func.count(), sa.func.max(users.c.created_at_utc)).select_from(users)
    newest = sa.select(users.c.name, users.c.created_at_utc).order_by(
        users.c.created_at_utc.desc(), users.c.name
    )
    with opened(engine) as connection:
        count, last = connection.execute(counted).one()
        if before is not None and before.state == (count, last):
            return before
        rows = connection.execute(newest.limit(MAX_KNOWN + 1)).all()
    created = {row.name: unix_seconds(row.created_at_utc) for row in rows[:MAX_KNOWN]}
    return KnownUsers(created, len(rows) <= MAX_KNOWN, (count, last))


def user_created(engine: sa.Engine, name: str) -> float | None:
    """When the user was added, as a Unix time in seconds; None where there is none.

    Raises SQLAlchemy's errors where the database is away.
    """
    query = sa.select(users.c.created_at_utc).where(users.c.name == name)
    with opened(engine) as connection:
        found = connection.scalar(query)
    return None if found is None else unix_seconds(found)
