"""Making the hourly counts anew from the rows, while others write."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine.interfaces import IsolationLevel
from sqlalchemy.exc import DBAPIError

from leafgate.errors import UserError
from sql.connections import committing, opened
from sql.database import reason
from sql.pruning import pruned_until
from sql.rollups import rebuild
from sql.schema import requests
from sql.tallies import HOUR, hour_of

# Rows and counts as of one moment. SQLite writes for one at a time.
ISOLATION: dict[str, IsolationLevel] = {"postgresql": "REPEATABLE READ", "mssql": "SERIALIZABLE"}
TRIES = 5


def rebuild_counts(engine: sa.Engine) -> datetime | None:
    """Make the counts anew in one transaction; returns the first hour (naive, UTC) of them, or
    None where there is nothing to count.

    Those of hours whose rows were pruned stay as they are. So do those of the first hour after,
    since a prediction in it may belong to a request that is gone. Raises UserError `recount_failed`
    where the database fails, or others merge counts at the same time again and again.
    """
    for _ in range(TRIES - 1):
        try:
            return _rebuild(engine)
        except DBAPIError:  # most likely the counts of an hour were merged under our hands
            continue
    try:
        return _rebuild(engine)
    except DBAPIError as error:
        raise UserError(
            f"the counts could not be made anew ({reason(error)})",
            "nothing was changed; check the database and give the command again",
            code="recount_failed",
        ) from error


def first_countable(connection: sa.Connection) -> datetime | None:
    """The first hour (naive, UTC) whose rows are all there; None where there are none."""
    oldest = connection.scalar(sa.select(sa.func.min(requests.c.at_utc)))
    if oldest is None:
        return None
    pruned = pruned_until(connection)
    return hour_of(oldest) if pruned is None else max(hour_of(oldest), pruned + HOUR)


def _rebuild(engine: sa.Engine) -> datetime | None:
    level = ISOLATION.get(engine.dialect.name)
    with opened(engine, level) as connection, committing(connection):
        _keep_writers_out(connection)
        first = first_countable(connection)
        if first is not None:
            rebuild(connection, first)
        return first


def _keep_writers_out(connection: sa.Connection) -> None:
    """On SQL Server by a shared lock on the table that they write first: locks of rows, taken in
    another order than theirs, would end in deadlocks.
    """
    if connection.dialect.name == "mssql":
        held = sa.select(requests.c.id).limit(1)
        connection.execute(held.with_hint(requests, "WITH (TABLOCK, HOLDLOCK)", "mssql"))
