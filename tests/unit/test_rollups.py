"""Hourly counts say the same, however they lie: in parts, merged, settled, or made anew."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from sql import Span, analytics
from sql.analytics import Member, Only
from sql.rollups import merge_parts, rebuild, settle, sum_up_day
from sql.schema import hourly
from sql.storing import store_entries
from tests.random_log import (
    SPANS,
    START,
    random_entries,
    requests_of,
    shifted,
    store_out_of_order,
)

ENTRIES = random_entries(300)
DAWN = START.replace(tzinfo=None) - timedelta(days=9)
LATER = datetime(2026, 4, 9)


@pytest.fixture
def log(database: sa.Engine) -> sa.Engine:
    store_out_of_order(database, ENTRIES)
    return database


def figures(engine: sa.Engine) -> list[Any]:
    """What the dashboard would show, comparable: a mean differs in how its sum was rounded."""
    found: list[Any] = []
    for span in SPANS.values():
        found += analytics.volume(engine, span)
        found += analytics.latency(engine, span)
        found += analytics.latency(engine, span, Member("source", "10.0.0.3"))
        found += analytics.traffic_by(engine, span, "version").rows
        found += analytics.traffic_by(engine, span, "batch").rows
        found += analytics.diseases_over_time(engine, span, Only(user="eve"))
        found += analytics.disease_frequency(engine, span, Only(source="10.0.0.4"))
        found.append(analytics.confidence_distribution(engine, span))
    return [{name: _rounded(value) for name, value in asdict(row).items()} for row in found]


def _rounded(value: object) -> object:
    return f"{value:.9f}" if isinstance(value, float) else value


def rows(engine: sa.Engine, level: str = "") -> int:
    """Of the hourly counts of the endpoints."""
    of = hourly.c.dimension == f"endpoint{level}"
    with engine.connect() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(hourly).where(of)) or 0


def remade(engine: sa.Engine, since: datetime | None = None) -> None:
    with engine.begin() as connection:
        rebuild(connection, since)


MORNING = datetime(2026, 3, 29, 5, 7)
CHANGES: dict[str, tuple[Callable[[sa.Engine], object], ...]] = {
    "merged": (lambda engine: merge_parts(engine, DAWN, 2),),
    "settled": (lambda engine: settle(engine, datetime(2026, 3, 30, 7)),),
    "settled and merged": (
        lambda engine: settle(engine, LATER),
        lambda engine: merge_parts(engine, DAWN, 2),
    ),
    "made anew": (remade,),
    "made anew from an hour on": (lambda engine: remade(engine, MORNING),),
    "settled, then made anew from an hour on": (
        lambda engine: settle(engine, LATER),
        lambda engine: remade(engine, MORNING),
    ),
}


@pytest.mark.parametrize("changes", CHANGES.values(), ids=CHANGES)
def test_figures_are_the_same(
    log: sa.Engine, changes: tuple[Callable[[sa.Engine], object], ...]
) -> None:
    before = figures(log)
    for change in changes:
        change(log)
    assert figures(log) == before


def test_what_comes_late_is_counted_too(database: sa.Engine) -> None:
    """Rows come in for hours and days that are merged, settled, or made anew."""
    late = shifted(ENTRIES, timedelta(seconds=1), "late")
    store_out_of_order(database, ENTRIES[:150])
    settle(database, LATER)
    store_out_of_order(database, ENTRIES[150:])
    merge_parts(database, DAWN, 2)
    store_entries(database, late[:100])
    settle(database, LATER)
    store_entries(database, late[100:])
    everything = [*ENTRIES, *late]
    for span in SPANS.values():
        found = analytics.summary(database, span)
        assert found.requests == len(requests_of(everything, span.since, span.until))
    by_hand = figures(database)
    remade(database)
    assert figures(database) == by_hand


def test_each_day_that_is_over_is_settled_once(log: sa.Engine) -> None:
    assert settle(log, datetime(2026, 3, 30, 7)) == 3
    assert settle(log, datetime(2026, 3, 30, 23)) == 0
    with log.connect() as connection:
        waiting = connection.scalar(
            sa.select(sa.func.min(hourly.c.hour_utc)).where(hourly.c.dimension == "endpoint")
        )
    assert waiting == datetime(2026, 3, 30)
    assert rows(log, "/d") == 3 * 4  # endpoints


def test_parts_of_a_settled_day_are_merged_when_they_are_many(log: sa.Engine) -> None:
    before = figures(log)
    settle(log, LATER)
    for number in range(8):
        entry = shifted(ENTRIES[:1], timedelta(seconds=number), f"l{number}")
        store_entries(log, entry)
        settle(log, LATER)
    assert rows(log) == 0
    with log.connect() as connection:
        parts = connection.execute(
            sa.select(hourly.c.hour_utc, sa.func.count(hourly.c.part.distinct()))
            .where(hourly.c.dimension == "endpoint/d")
            .group_by(hourly.c.hour_utc)
        ).all()
    assert max(count for _, count in parts) < 8
    assert len(figures(log)) == len(before)
    total = analytics.summary(log, SPANS["days of Berlin, one of 23 hours"]).requests
    remade(log)
    assert analytics.summary(log, SPANS["days of Berlin, one of 23 hours"]).requests == total


def test_merging_leaves_one_part_of_an_hour(log: sa.Engine) -> None:
    merge_parts(log, DAWN, 2)
    of = hourly.c.dimension == "endpoint"
    parts = sa.func.count(hourly.c.part.distinct())
    with log.connect() as connection:
        found = connection.execute(sa.select(parts).where(of).group_by(hourly.c.hour_utc)).all()
    assert {count for (count,) in found} == {1}
    assert len(found) > 60


def test_several_who_settle_and_write_at_once_count_nothing_twice(log: sa.Engine) -> None:
    late = shifted(ENTRIES, timedelta(seconds=1), "late")
    with ThreadPoolExecutor(5) as pool:
        futures: list[Future[Any]] = [pool.submit(settle, log, LATER) for _ in range(3)]
        futures += [pool.submit(store_entries, log, late[begin::2]) for begin in range(2)]
    assert not [future.exception() for future in futures if future.exception()]
    for span in SPANS.values():
        found = analytics.summary(log, span).requests
        assert found == len(requests_of([*ENTRIES, *late], span.since, span.until))
    by_hand = figures(log)
    remade(log)
    assert figures(log) == by_hand


def test_a_settled_day_is_summed_up_anew_when_some_of_its_hours_went(log: sa.Engine) -> None:
    settle(log, LATER)
    older = sa.and_(hourly.c.dimension.like("%/h"), hourly.c.hour_utc < datetime(2026, 3, 29, 12))
    with log.begin() as connection:
        connection.execute(hourly.delete().where(older))
        sum_up_day(connection, datetime(2026, 3, 29))
    since = datetime(2026, 3, 29, tzinfo=UTC)
    whole = analytics.summary(log, Span(since, since + timedelta(days=1)))
    half = requests_of(ENTRIES, since + timedelta(hours=12), since + timedelta(days=1))
    assert whole.requests == len(half) > 0
    midnights = sa.select(hourly.c.hour_utc).where(hourly.c.dimension == "endpoint/d").distinct()
    with log.connect() as connection:
        assert {moment.hour for moment in connection.scalars(midnights)} == {0}
