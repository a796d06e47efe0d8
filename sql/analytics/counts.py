"""The one reader of counts: whole days and hours from `hourly`, the rest from the rows.

Each piece of time is read in one place alone and by one statement, so that a row is counted once
whatever is written, merged or settled meanwhile.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

import sqlalchemy as sa

from sql.analytics.span import Range, bucket_number, pieces
from sql.connections import opened
from sql.counted_rows import (
    counted_predictions,
    counted_readings,
    counted_requests,
    with_their_requests,
)
from sql.histogram import CONFIDENCE_BINS, LAST, Counts, decode, latency_bin
from sql.read_classes import read_classes
from sql.schema import generations, hourly, predictions, requests
from sql.tallies import (
    DIAGNOSES,
    READING,
    SETTLED_DAYS,
    SETTLED_HOURS,
    SUMS,
    TRAFFIC,
    Tally,
    is_diagnosis,
)

MOST_RANGES = 200  # of one statement; SQLite takes no expression deeper than 1,000
MOST_PARAMETERS = 2000  # likewise; SQL Server takes 2,100
# A sum of integers is a decimal on PostgreSQL.
NUMBER = {name: float if name == "confidence_sum" else int for name in SUMS}
KEYS = ("name", "class_name", "model_version")


@dataclass(frozen=True)
class Asked:
    """What is counted: a dimension of sql/tallies.py, told apart by some of KEYS.

    names, class_name, version: what it is limited to. histogram: whether theirs are read too.
    """

    dimension: str
    by: tuple[str, ...] = ()
    names: tuple[str, ...] | None = None
    class_name: str | None = None
    version: int | None = None
    histogram: bool = False


@dataclass
class Counted(Tally):
    """Counts of one bucket and key. Those of `hourly` lie in `texts` until they are asked for."""

    texts: list[str] = field(default_factory=list)

    @property
    def requests(self) -> int:
        """However they ended."""
        return self.answered + self.refused + self.failed

    def latencies(self) -> Counts:
        """Their histogram, of the traffic: (521,)."""
        return self._bins(LAST + 1)

    def confidences(self) -> Counts:
        """Their histogram, of the diagnoses: (50,)."""
        return self._bins(CONFIDENCE_BINS)

    def _bins(self, size: int) -> Counts:
        counts = decode(self.texts, size)
        for number, count in self.histogram.items():
            counts[number] += count
        return counts


Each = TypeVar("Each")
Found = dict[tuple[int, *tuple[Any, ...]], Counted]  # by the bucket's number, then what `by` names


def count(engine: sa.Engine, edges: Sequence[datetime], asked: Asked) -> Found:
    """The counts of each bucket between the edges, and of each key; what has none is left out."""
    found: Found = defaultdict(Counted)
    cut = pieces(edges)
    ranges = [(SETTLED_DAYS, each) for each in cut.days]
    ranges += [(SETTLED_HOURS, each) for each in cut.hours]
    apart = len(edges) > 2  # whether hours have to be told apart
    with opened(engine) as connection:
        for some in some_at_once(ranges, 6 + len(asked.names or ())):
            hours = connection.execute(of_hours(asked, some, apart)).all()
            _add_hours(found, edges if apart else (), asked, hours)
        for few in some_at_once(cut.rows, 2):
            rows = connection.execute(of_rows(asked, few)).mappings().all()
            add_rows = _add_readings if asked.dimension == READING else _add_rows
            add_rows(found, edges, asked, rows)
    return found


def some_at_once(ranges: Sequence[Each], parameters: int) -> Iterator[Sequence[Each]]:
    """As many at once as a statement takes, that has so many parameters for each."""
    step = max(1, min(MOST_RANGES, MOST_PARAMETERS // parameters))
    for begin in range(0, len(ranges), step):
        yield ranges[begin : begin + step]


def of_hours(asked: Asked, ranges: Sequence[tuple[str, Range]], apart: bool) -> sa.Select[Any]:
    """What is read of `hourly`. ranges: each with the level that its counts are settled at.

    Columns: the hour, if they are to be told apart; the keys; the counts, summed where that can be.
    """
    keys = [hourly.c[name] for name in (*("hour_utc",) * apart, *asked.by)]
    of = sa.or_(*(_of_range(asked, level, each) for level, each in ranges))
    if asked.histogram:
        return sa.select(*keys, *(hourly.c[name] for name in SUMS), hourly.c.histogram).where(of)
    sums = (sa.func.sum(hourly.c[name]) for name in SUMS)
    return sa.select(*keys, *sums).where(of).group_by(*keys)


def _of_range(asked: Asked, level: str, of: Range) -> sa.ColumnElement[bool]:
    # All in each, so that each is looked up in the index that fits it.
    conditions = [
        hourly.c.dimension.in_((asked.dimension, asked.dimension + level)),
        hourly.c.hour_utc >= of[0],
        hourly.c.hour_utc < of[1],
    ]
    if asked.names is not None:
        conditions.append(hourly.c.name.in_(asked.names))
    if asked.class_name is not None:
        conditions.append(hourly.c.class_name == asked.class_name)
    if asked.version is not None:
        conditions.append(hourly.c.model_version == asked.version)
    return sa.and_(*conditions)


def _add_hours(
    found: Found, edges: Sequence[datetime], asked: Asked, rows: Sequence[sa.Row[Any]]
) -> None:
    """edges: () where all is one bucket, and the hours are not among the columns."""
    first = 1 if edges else 0
    last = first + len(asked.by)
    for row in rows:
        counts = row[last : last + len(SUMS)]
        if counts[0] is None:  # the sums of nothing
            continue
        counted = found[bucket_number(edges, row[0]) if edges else 0, *row[first:last]]
        for name, value in zip(SUMS, counts, strict=True):
            setattr(counted, name, getattr(counted, name) + NUMBER[name](value))
        counted.texts += row[last + len(SUMS) :]


def of_rows(asked: Asked, ranges: Sequence[Range]) -> sa.Select[Any]:
    """What is read of the rows, which are counted here."""
    if asked.dimension in TRAFFIC:
        return counted_requests().where(within(requests.c.at_utc, ranges))
    if asked.dimension == READING:
        return counted_readings().where(within(generations.c.at_utc, ranges))
    return with_their_requests(counted_predictions()).where(within(predictions.c.at_utc, ranges))


def within(column: sa.ColumnElement[datetime], ranges: Sequence[Range]) -> sa.ColumnElement[bool]:
    """That it lies in one of them."""
    return sa.or_(*(sa.and_(column >= since, column < until) for since, until in ranges))


def _add_rows(
    found: Found, edges: Sequence[datetime], asked: Asked, rows: Sequence[sa.RowMapping]
) -> None:
    for row in rows:
        name = _name(asked.dimension, row)
        if not _is_asked(asked, row, name):
            continue
        key = {"name": name, **row} if asked.by else {}
        counted = found[bucket_number(edges, row["at_utc"]), *(key[each] for each in asked.by)]
        if asked.dimension in TRAFFIC:
            counted.add_request(row, latency_bin(row["latency_ms"]))
        else:
            counted.add_answer(row)


def _add_readings(
    found: Found, edges: Sequence[datetime], asked: Asked, rows: Sequence[sa.RowMapping]
) -> None:
    for row in rows:
        for each in read_classes(row["read_classes"]):
            key = {
                "name": row["reader_name"] or "",
                "class_name": each.class_name,
                "model_version": row["reader_version"],
            }
            if _is_limited_to(asked, key):
                bucket = bucket_number(edges, row["at_utc"])
                found[bucket, *(key[name] for name in asked.by)].add_reading(each)


def _name(dimension: str, row: sa.RowMapping) -> str | None:
    """As the counts name it; None where it is not among them."""
    if dimension in TRAFFIC:
        return TRAFFIC[dimension](row)
    return DIAGNOSES[dimension](row, row.get("user_name"), row.get("source"))


def _is_asked(asked: Asked, row: sa.RowMapping, name: str | None) -> bool:
    if name is None or (asked.names is not None and name not in asked.names):
        return False
    if asked.dimension in TRAFFIC:
        return True
    return is_diagnosis(row) and _is_limited_to(asked, {"name": name, **row})


def _is_limited_to(asked: Asked, key: Mapping[str, Any]) -> bool:
    """Whether it is what is asked about. key: a value for each of KEYS."""
    return (
        (asked.names is None or key["name"] in asked.names)
        and asked.class_name in (None, key["class_name"])
        and asked.version in (None, key["model_version"])
    )
