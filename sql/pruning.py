"""Deleting old rows: oldest first, a few at a time, whole hours alone.

Each batch is a transaction of its own, so writers and readers wait for one at most, and what was
interrupted is gone as far as it went. Hourly counts stay unless asked for. A row of `hourly` says
up to which hour rows were pruned: its counts can no longer be made anew from them.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, IntegrityError

from leafgate.errors import UserError
from sql.connections import opened, transaction
from sql.database import reason
from sql.records import naive_utc
from sql.rollups import sum_up_day
from sql.schema import feedback, generations, hourly, predictions, requests, revoked_tokens
from sql.tallies import DIMENSIONS, HOUR, SETTLED_DAYS, SETTLED_HOURS, hour_of

# Far enough from the 5,000 locks at which SQL Server takes the whole table instead.
BATCH_ROWS = 2000
PRUNED = "pruned"  # the dimension of the row that says up to which hour
# Parts before the request that they belong to.
BY_ID = (predictions, generations, feedback, requests)

OnProgress = Callable[[str, int], object]  # name of the table, rows of it that are gone


@dataclass(frozen=True)
class Pruned:
    """What went, or would go. before: naive, UTC, a whole hour; rows: by the table's name."""

    before: datetime
    rows: Mapping[str, int]

    def batches(self, batch_rows: int) -> int:
        """How many batches that makes."""
        return sum(-(-number // batch_rows) for number in self.rows.values())


def prune(
    engine: sa.Engine,
    before: datetime,
    batch_rows: int = BATCH_ROWS,
    on_progress: OnProgress | None = None,
    *,
    pause_seconds: float = 0.0,
    with_counts: bool = False,
) -> Pruned:
    """Delete requests, predictions, generations and feedback from before the hour of `before`
    (aware), each by its own time, and tokens' revocations that have expired.

    on_progress: called after each batch; pause_seconds: after each batch; with_counts: the hourly
    counts of then, too. Raises UserError `pruning_stopped` where the database fails.
    """
    hour, gone = hour_of(naive_utc(before)), dict[str, int]()
    with _told():
        _mark(engine, hour)
        for each in _old(hour, with_counts):
            gone.setdefault(each.name, 0)
            for number in _batches(engine, each, batch_rows):
                gone[each.name] += number
                if on_progress is not None:
                    on_progress(each.name, number)
                time.sleep(pause_seconds)
        if with_counts and hour.hour:  # a settled day keeps what its later hours counted
            with transaction(engine) as connection:
                sum_up_day(connection, hour.replace(hour=0))
    return Pruned(hour, gone)


def prunable(engine: sa.Engine, before: datetime, *, with_counts: bool = False) -> Pruned:
    """What `prune` would delete now. Raises UserError where the database fails."""
    hour, found = hour_of(naive_utc(before)), dict[str, int]()
    with _told(), opened(engine) as connection:
        for each in _old(hour, with_counts):
            counted = sa.select(sa.func.count()).select_from(each.table).where(each.old)
            found[each.name] = found.get(each.name, 0) + (connection.scalar(counted) or 0)
    return Pruned(hour, found)


def pruned_until(connection: sa.Connection) -> datetime | None:
    """The hour (naive, UTC) before which rows were pruned; None where none ever were."""
    newest = sa.select(sa.func.max(hourly.c.hour_utc)).where(hourly.c.dimension == PRUNED)
    return connection.scalar(newest)


def require_shrinkable(engine: sa.Engine) -> None:
    """Raises UserError for a database that `shrink` is not for."""
    if engine.dialect.name != "sqlite":
        raise UserError(
            f"--vacuum is for SQLite, and this is {engine.dialect.name}",
            "leave it out: the server uses the space again by itself",
            code="bad_option",
        )


def shrink(engine: sa.Engine) -> None:
    """Give what is free in a SQLite file back to the disk; others wait meanwhile.

    Raises UserError for another database, and where others hold the file for too long.
    """
    require_shrinkable(engine)
    with _told(), opened(engine, "AUTOCOMMIT") as plain:
        plain.exec_driver_sql("VACUUM")
        plain.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")


class _Old(Protocol):
    """Rows of a table that are to go. old: which they are."""

    table: sa.Table
    old: sa.ColumnElement[bool]

    @property
    def name(self) -> str: ...

    def delete_some(self, connection: sa.Connection, rows: int) -> int: ...


class _ByKey:
    """Rows with a key of one column.

    It remembers how far it went: an index still holds what was just deleted until the server tidies
    up, and looking through all of it for each batch would take longer and longer.
    """

    def __init__(self, table: sa.Table, key: str, moment: str, before: datetime) -> None:
        self.table, self._key, self._moment = table, key, moment
        self._before = before
        self._from: datetime | None = None
        self.old = table.c[moment] < before

    @property
    def name(self) -> str:
        return self.table.name

    def delete_some(self, connection: sa.Connection, rows: int) -> int:
        """Delete up to so many, the oldest; returns their number."""
        oldest = self._oldest()
        reached = connection.scalar(
            self._in_order(oldest, oldest.c[self._moment]).offset(rows - 1).limit(1)
        )
        gone = connection.execute(self.statement(rows)).rowcount
        self._from = reached  # at the end None: rows that came late may be older
        return gone

    def statement(self, rows: int) -> sa.Delete:
        """The same as SQL."""
        oldest = self._oldest()
        some = self._in_order(oldest, oldest.c[self._key]).limit(rows)
        return self.table.delete().where(self.table.c[self._key].in_(some))

    def _oldest(self) -> sa.FromClause:
        return self.table.alias("oldest")

    def _in_order(
        self, oldest: sa.FromClause, wanted: sa.ColumnElement[Any]
    ) -> sa.Select[tuple[Any]]:
        moment = oldest.c[self._moment]
        found = sa.select(wanted).where(moment < self._before)
        if self._from is not None:
            found = found.where(moment >= self._from)
        return found.order_by(moment, oldest.c[self._key])


class _Counts:
    """Hourly counts of one dimension, by the hour: their key has four columns."""

    table = hourly
    name = hourly.name

    def __init__(self, dimension: str, before: datetime) -> None:
        self._of = hourly.c.dimension == dimension
        self.old = sa.and_(self._of, hourly.c.hour_utc < before)
        self._before = before

    def delete_some(self, connection: sa.Connection, rows: int) -> int:
        """Delete the oldest hours with up to so many rows, or a single one that has more."""
        hours = sa.select(hourly.c.hour_utc).where(self.old).order_by(hourly.c.hour_utc)
        first = connection.scalar(hours.limit(1))
        if first is None:
            return 0
        after = connection.scalar(hours.offset(rows).limit(1)) or self._before
        going = sa.and_(self._of, hourly.c.hour_utc < max(after, first + HOUR))
        return connection.execute(hourly.delete().where(going)).rowcount


def _old(hour: datetime, with_counts: bool) -> list[_Old]:
    now = naive_utc(datetime.now(UTC))
    found: list[_Old] = [_ByKey(table, "id", "at_utc", hour) for table in BY_ID]
    found.append(_ByKey(revoked_tokens, "jti", "expires_at_utc", now))
    if with_counts:
        day = hour.replace(hour=0)
        for level, border in (("", hour), (SETTLED_HOURS, hour), (SETTLED_DAYS, day)):
            found += [_Counts(dimension + level, border) for dimension in DIMENSIONS]
    return found


def _batches(engine: sa.Engine, old: _Old, rows: int) -> Iterator[int]:
    left = sa.select(sa.literal(1)).select_from(old.table).where(old.old).limit(1)
    while True:
        with transaction(engine) as connection:
            gone = old.delete_some(connection, rows)
        if gone:
            yield gone
            continue
        with opened(engine) as connection:  # another one who prunes may have taken the batch
            if connection.scalar(left) is None:
                return


def _mark(engine: sa.Engine, hour: datetime) -> None:
    """Write down up to which hour it goes, before a row of it is gone."""
    zeros: dict[str, Any] = dict.fromkeys(("part", "number", "answered", "refused", "failed"), 0)
    zeros |= {"images": 0, "unknown": 0, "confidence_sum": 0.0, "histogram": "", "name": ""}
    older = sa.and_(hourly.c.dimension == PRUNED, hourly.c.hour_utc < hour)
    try:
        with transaction(engine) as connection:
            connection.execute(hourly.delete().where(older))
            if pruned_until(connection) is None:
                row = {**zeros, "dimension": PRUNED, "hour_utc": hour}
                connection.execute(hourly.insert(), row)
    except IntegrityError:
        return  # another one who prunes has just written it


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        raise UserError(
            f"pruning stopped ({reason(error)})",
            "what was deleted until then is gone for good; check the database and give the "
            "command again for the rest",
            code="pruning_stopped",
        ) from error
