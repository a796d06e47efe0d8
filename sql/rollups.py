"""Hourly counts: parts of them merged, days that are over summed up, all of them made anew.

What they hold: sql/tallies.py.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from sql.connections import opened, transaction
from sql.counted_rows import (
    counted_predictions,
    counted_readings,
    counted_requests,
    with_their_requests,
)
from sql.inserting import insert_rows
from sql.records import Row
from sql.schema import generations, hourly, predictions, requests
from sql.tallies import (
    DAY,
    DIMENSIONS,
    HOUR,
    SETTLED_DAYS,
    SETTLED_HOURS,
    Tallies,
    Tally,
    add_prediction,
    add_readings,
    add_request,
    hour_of,
    part_of,
    settled_parts,
    summed,
)

MERGE_FROM = 8  # parts of an hour
AT_ONCE = 20_000  # rows held while counts are made anew
LEVELS = ("", SETTLED_HOURS, SETTLED_DAYS)


def merge_parts(engine: sa.Engine, since: datetime, parts: int = MERGE_FROM) -> int:
    """Make one part of the parts of each hour from `since` (naive, UTC) on that has so many.

    Nothing happens to an hour that somebody else merges at the same time. Returns the hours.
    """
    pairs = (
        sa.select(hourly.c.hour_utc, hourly.c.part)
        .where(hourly.c.hour_utc >= since, hourly.c.dimension == "endpoint")
        .distinct()
        .subquery()
    )
    crowded = sa.select(pairs.c.hour_utc).group_by(pairs.c.hour_utc)
    with opened(engine) as connection:
        hours = list(connection.scalars(crowded.having(sa.func.count() >= parts)))
    return sum(replace_parts(engine, hour, hour + HOUR, part_of) for hour in hours)


def replace_parts(
    engine: sa.Engine,
    since: datetime,
    until: datetime,
    made_of: Callable[[Tallies], list[Row]],
    dimensions: Sequence[str] = DIMENSIONS,
) -> bool:
    """Put `made_of` the counts of some hours (naive, UTC) in the place of the parts they are in.

    False where there was nothing, or somebody else did the same at the same time.
    """
    within = sa.and_(hourly.c.hour_utc >= since, hourly.c.hour_utc < until)
    of = sa.and_(within, hourly.c.dimension.in_(dimensions))
    with transaction(engine) as connection:
        rows = connection.execute(sa.select(hourly).where(of)).mappings().all()
        known = sorted({row["part"] for row in rows})
        gone = 0
        for first in range(0, len(known), 500):
            among = hourly.c.part.in_(known[first : first + 500])
            gone += connection.execute(hourly.delete().where(of, among)).rowcount
        if gone != len(rows) or not rows:
            connection.rollback()
            return False
        insert_rows(connection, hourly, made_of(summed(rows)))
    return True


def settle(engine: sa.Engine, before: datetime) -> int:
    """Sum up the days (of UTC) that ended by `before` (naive, UTC), and what came in for a day that
    is settled already. Figures are the same before and after, and quicker after.

    Nothing happens to a day that somebody else settles at the same time. Returns the days.
    """
    end = before.replace(hour=0, minute=0, second=0, microsecond=0)
    waiting = (
        sa.select(hourly.c.hour_utc)
        .where(hourly.c.dimension.in_(DIMENSIONS), hourly.c.hour_utc < end)
        .distinct()
    )
    with opened(engine) as connection:
        days = sorted({hour.replace(hour=0) for hour in connection.scalars(waiting)})
    return sum(_settle(engine, day) for day in days)


def _settle(engine: sa.Engine, day: datetime) -> bool:
    done = replace_parts(engine, day, day + DAY, settled_parts)
    parts = sa.select(sa.func.count(hourly.c.part.distinct())).where(
        hourly.c.dimension.in_(_named(SETTLED_DAYS)), hourly.c.hour_utc == day
    )
    with opened(engine) as connection:
        crowded = (connection.scalar(parts) or 0) >= MERGE_FROM
    if crowded:
        for level in (SETTLED_HOURS, SETTLED_DAYS):
            replace_parts(engine, day, day + DAY, part_of, _named(level))
    return done


def _named(level: str) -> tuple[str, ...]:
    return tuple(dimension + level for dimension in DIMENSIONS)


def rebuild(connection: sa.Connection, since: datetime | None = None) -> None:
    """Make the counts anew from the rows, from the hour of `since` on; of older ones, where rows
    were pruned and only the counts are left, nothing is changed. Part of the caller's transaction.
    """
    first = since or connection.scalar(sa.select(sa.func.min(requests.c.at_utc)))
    if first is None:
        return
    start = hour_of(first)
    _forget(connection, start)
    day: datetime | None = start.replace(hour=0)
    while day is not None:
        found = _counted(connection, max(start, day), day + DAY)
        insert_rows(connection, hourly, settled_parts(found))
        day = _next_day(connection, day + DAY)


def _forget(connection: sa.Connection, start: datetime) -> None:
    """Remove the counts from an hour on; its day keeps those of the hours before."""
    day = start.replace(hour=0)
    for level in LEVELS:
        for dimension in _named(level):
            begin = day if level == SETTLED_DAYS else start
            of = sa.and_(hourly.c.dimension == dimension, hourly.c.hour_utc >= begin)
            connection.execute(hourly.delete().where(of))
    sum_up_day(connection, day)


def sum_up_day(connection: sa.Connection, day: datetime) -> None:
    """Make the counts of a settled day (naive, UTC) anew from those of its settled hours, some of
    which are gone. Part of the caller's transaction.
    """
    days = hourly.c.dimension.in_(_named(SETTLED_DAYS))
    connection.execute(hourly.delete().where(days, hourly.c.hour_utc == day))
    hours = sa.and_(hourly.c.hour_utc >= day, hourly.c.hour_utc < day + DAY)
    query = sa.select(hourly).where(hourly.c.dimension.in_(_named(SETTLED_HOURS)), hours)
    found: Tallies = defaultdict(Tally)
    for key, counted in summed(connection.execute(query).mappings().all()).items():
        found[key[0].removesuffix(SETTLED_HOURS), day, *key[2:]].add(counted)
    insert_rows(connection, hourly, part_of(found, SETTLED_DAYS))


def _counted(connection: sa.Connection, since: datetime, until: datetime) -> Tallies:
    found: Tallies = defaultdict(Tally)
    within = (requests.c.at_utc >= since, requests.c.at_utc < until)
    for row in _stream(connection, counted_requests().where(*within)):
        add_request(found, row)
    within = (predictions.c.at_utc >= since, predictions.c.at_utc < until)
    for row in _stream(connection, with_their_requests(counted_predictions()).where(*within)):
        add_prediction(found, row, row["user_name"], row["source"])
    within = (generations.c.at_utc >= since, generations.c.at_utc < until)
    for row in _stream(connection, counted_readings().where(*within)):
        add_readings(found, row)
    return found


def _next_day(connection: sa.Connection, since: datetime) -> datetime | None:
    """The next day that has rows."""
    found = [
        connection.scalar(sa.select(sa.func.min(table.c.at_utc)).where(table.c.at_utc >= since))
        for table in (requests, predictions, generations)
    ]
    moments = [moment for moment in found if moment is not None]
    return hour_of(min(moments)).replace(hour=0) if moments else None


def _stream(connection: sa.Connection, query: sa.Select[Any]) -> Iterator[Any]:
    yield from connection.execute(query, execution_options={"yield_per": AT_ONCE}).mappings()
