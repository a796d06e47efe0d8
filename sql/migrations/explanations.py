"""The hourly counts between 0007, where an explained image was counted as one more diagnosis, and
0008, where requests are counted by client and by the number of pictures they had made, too.

Whatever was counted stays counted, also where the rows it was counted from are pruned: what
/explain said is taken out of the counts (or put back) by its rows, and no count is made anew. Of
pruned rows nobody knows which of the diagnoses were explanations; those stay.
"""

from collections import defaultdict
from collections.abc import Callable, Container, Iterator, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

import sqlalchemy as sa

from sql.histogram import decode, latency_bin
from sql.inserting import insert_rows
from sql.schema import hourly
from sql.tallies import (
    DAY,
    DIAGNOSES,
    SETTLED_DAYS,
    SETTLED_HOURS,
    SUMS,
    Key,
    Tallies,
    Tally,
    hour_of,
    part_of,
    summed,
    was_told,
)

EXPLAIN, GENERATE = "/explain", "/generate"
ADDED = ("client", "made", "reading")  # dimensions that 0007 does not know
LEVELS = ("", SETTLED_HOURS)  # what each hour is counted in
AT_ONCE = 20_000  # rows

REQUESTS = sa.table(
    "requests",
    *(
        sa.column(name)
        for name in (
            *("id", "endpoint", "status", "latency_ms", "user_name", "source", "images"),
            "request_count",
        )
    ),
    sa.column("at_utc", sa.DateTime),
)
PREDICTIONS = sa.table(
    "predictions",
    *(
        sa.column(name)
        for name in (
            *("request_id", "class_name", "lane", "confidence", "unknown"),
            *("model_name", "model_version"),
        )
    ),
    sa.column("at_utc", sa.DateTime),
    sa.column("explanation", sa.Boolean),
)


def note_explanations(connection: sa.Connection) -> None:
    """Mark the predictions that /explain made."""
    of = sa.select(REQUESTS.c.id).where(REQUESTS.c.endpoint == EXPLAIN)
    marked = sa.update(PREDICTIONS).where(PREDICTIONS.c.request_id.in_(of))
    connection.execute(marked.values(explanation=sa.true()))


def count_apart(connection: sa.Connection) -> None:
    """Make the counts of 0007 those of 0008."""
    _keep_others_out(connection)
    if connection.scalar(sa.select(hourly.c.part).limit(1)) is None:
        return  # they are made later, of all rows
    _change(connection, _explained(connection), _taken_out)
    insert_rows(connection, hourly, part_of(_without_client(connection)))
    insert_rows(connection, hourly, part_of(_made(connection)))


def count_together(connection: sa.Connection) -> None:
    """Make the counts of 0008 those of 0007."""
    _keep_others_out(connection)
    added = _named(ADDED, ("", SETTLED_HOURS, SETTLED_DAYS))
    connection.execute(hourly.delete().where(hourly.c.dimension.in_(added)))
    _change(connection, _explained(connection), _put_back)


def _keep_others_out(connection: sa.Connection) -> None:
    """In the order in which others take them. SQLite lets nobody else write in any case."""
    for table in (REQUESTS, PREDICTIONS, hourly):
        if connection.dialect.name == "postgresql":
            connection.execute(sa.text(f"LOCK TABLE {table.name} IN SHARE ROW EXCLUSIVE MODE"))
        elif connection.dialect.name == "mssql":
            held: sa.Select[Any] = sa.select(sa.literal_column("1")).select_from(table).limit(1)
            connection.execute(held.with_hint(table, "WITH (TABLOCKX, HOLDLOCK)")).all()


def _explained(connection: sa.Connection) -> Tallies:
    """What /explain said, as it was counted."""
    asked, said = REQUESTS.c, PREDICTIONS.c
    query = (
        sa.select(
            *(said.at_utc, said.class_name, said.lane, said.confidence, said.unknown),
            *(said.model_name, said.model_version, asked.user_name, asked.source),
        )
        .select_from(PREDICTIONS.join(REQUESTS, asked.id == said.request_id))
        .where(asked.endpoint == EXPLAIN)
    )
    found: Tallies = defaultdict(Tally)
    for row in _stream(connection, query):
        if was_told(row):
            hour, key = hour_of(row["at_utc"]), (row["class_name"], row["model_version"])
            for dimension, name_of in DIAGNOSES.items():
                name = name_of(row, row["user_name"], row["source"])
                found[dimension, hour, name, *key].add_answer(row)
    return found


def _change(
    connection: sa.Connection, explained: Tallies, change: Callable[[Tallies, Tallies], Tallies]
) -> None:
    """Put `change(counts, explained)` in the place of what is counted under the same keys."""
    by_day: dict[datetime, Tallies] = defaultdict(dict)
    for key, counted in explained.items():
        by_day[key[1].replace(hour=0)][key] = counted
    for day, of_day in by_day.items():
        within = (hourly.c.hour_utc >= day, hourly.c.hour_utc < day + DAY)
        for dimension in DIAGNOSES:
            of = sa.and_(hourly.c.dimension.in_(_named((dimension,), LEVELS)), *within)
            hours = {key: each for key, each in of_day.items() if key[0] == dimension}
            rows = _rows(connection, of, hours)
            is_settled = any(row["dimension"].endswith(SETTLED_HOURS) for row in rows)
            changed = change(_as_hours(summed(rows)), hours)
            _replace(connection, rows, part_of(changed, SETTLED_HOURS if is_settled else ""))
            if is_settled:
                _sum_up(connection, dimension, day, hours)


def _sum_up(connection: sa.Connection, dimension: str, day: datetime, hours: Tallies) -> None:
    """Make the counts of a settled day anew from its settled hours, of the keys that changed."""
    keys = {(dimension, day, *key[2:]) for key in hours}
    found: Tallies = defaultdict(Tally)
    of_hours = sa.and_(
        hourly.c.dimension == dimension + SETTLED_HOURS,
        hourly.c.hour_utc >= day,
        hourly.c.hour_utc < day + DAY,
    )
    for key, counted in summed(_rows(connection, of_hours, keys, by_day=True)).items():
        found[dimension, day, *key[2:]].add(counted)
    of_day = sa.and_(hourly.c.dimension == dimension + SETTLED_DAYS, hourly.c.hour_utc == day)
    rows = _rows(connection, of_day, keys, by_day=True)
    _replace(connection, rows, part_of(found, SETTLED_DAYS))


def _rows(
    connection: sa.Connection,
    of: sa.ColumnElement[bool],
    keys: Container[Key],
    by_day: bool = False,
) -> list[sa.RowMapping]:
    """Rows of `hourly` under these keys, which have the dimension without its level."""
    found = []
    for row in connection.execute(sa.select(hourly).where(of)):
        hour = row.hour_utc.replace(hour=0) if by_day else row.hour_utc
        dimension = row.dimension.partition("/")[0]
        if (dimension, hour, row.name, row.class_name, row.model_version) in keys:
            found.append(row._mapping)
    return found


def _replace(
    connection: sa.Connection, rows: Sequence[sa.RowMapping], by: Sequence[dict[str, Any]]
) -> None:
    of = ("dimension", "hour_utc", "part", "number")
    if rows:
        key = sa.and_(*(hourly.c[name] == sa.bindparam(f"of_{name}") for name in of))
        known = [{f"of_{name}": row[name] for name in of} for row in rows]
        connection.execute(hourly.delete().where(key), known)
    insert_rows(connection, hourly, by)


def _as_hours(counts: Tallies) -> Tallies:
    """Without the level that they are settled at."""
    found: Tallies = defaultdict(Tally)
    for key, counted in counts.items():
        found[key[0].removesuffix(SETTLED_HOURS), *key[1:]].add(counted)
    return found


def _taken_out(counts: Tallies, explained: Tallies) -> Tallies:
    for key, less in explained.items():
        if key not in counts:
            continue  # the counts of its hour were pruned
        left = counts[key]
        for name in SUMS:
            setattr(left, name, max(getattr(left, name) - getattr(less, name), 0))
        for number, count in less.histogram.items():
            left.histogram[number] = max(left.histogram.get(number, 0) - count, 0)
        left.histogram = {number: count for number, count in left.histogram.items() if count}
    return {key: left for key, left in counts.items() if left.answered}


def _put_back(counts: Tallies, explained: Tallies) -> Tallies:
    for key, more in explained.items():
        counts[key].add(more)
    return counts


def _without_client(connection: sa.Connection) -> Tallies:
    """All requests that were counted, by the hour: every one of them has one endpoint."""
    query = sa.select(hourly).where(hourly.c.dimension.in_(_named(("endpoint",), LEVELS)))
    rows = _stream(connection, query.order_by(hourly.c.hour_utc))
    found: Tallies = {}
    for hour, of_hour in groupby(rows, key=lambda row: row["hour_utc"]):
        total, texts = Tally(), list[str]()
        for row in of_hour:
            for name in SUMS:
                setattr(total, name, getattr(total, name) + row[name])
            texts.append(row["histogram"])
        sums = decode(texts)
        total.histogram = {int(number): int(sums[number]) for number in sums.nonzero()[0]}
        found["client", hour, "", None, None] = total
    return found


def _made(connection: sa.Connection) -> Tallies:
    """Requests that had pictures made, by the hour and their number."""
    asked = REQUESTS.c
    query = sa.select(
        *(asked.at_utc, asked.status, asked.latency_ms, asked.images, asked.request_count)
    ).where(asked.endpoint == GENERATE, asked.images > 0)
    found: Tallies = defaultdict(Tally)
    for row in _stream(connection, query):
        key: Key = ("made", hour_of(row["at_utc"]), str(row["images"]), None, None)
        found[key].add_request(row, latency_bin(row["latency_ms"]))
    return found


def _named(dimensions: Sequence[str], levels: Sequence[str]) -> tuple[str, ...]:
    return tuple(dimension + level for dimension in dimensions for level in levels)


def _stream(connection: sa.Connection, query: sa.Select[Any]) -> Iterator[sa.RowMapping]:
    yield from connection.execute(query, execution_options={"yield_per": AT_ONCE}).mappings()
