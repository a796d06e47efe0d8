"""The log that the dashboard's queries are timed on is one that LeafGate could have written."""

from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from benchmarks.analytics import RANGES, Timed, queries, table, verdict
from benchmarks.many_requests import Size, fill
from sql import Span, analytics
from sql.analytics import viewer
from sql.rollups import rebuild
from sql.schema import feedback, hourly, predictions, requests

SIZE = Size(requests=600, days=4, until=datetime(2026, 3, 31, 13, 37))


def counts(engine: sa.Engine) -> dict[str, int]:
    with engine.connect() as connection:
        return {
            each.name: connection.scalar(sa.select(sa.func.count()).select_from(each)) or 0
            for each in (requests, predictions, feedback)
        }


def sums(engine: sa.Engine) -> set[tuple[object, ...]]:
    """The counts by the hour, in whichever part and level."""
    # Not with parameters: SQL Server takes two of them for two expressions (error 8120).
    level = sa.func.replace(hourly.c.dimension, sa.literal_column("'/h'"), sa.literal_column("''"))
    keys = (level, hourly.c.hour_utc, hourly.c.name, hourly.c.class_name)
    query = sa.select(*keys, sa.func.sum(hourly.c.answered), sa.func.sum(hourly.c.failed))
    with engine.connect() as connection:
        return {
            tuple(row)
            for row in connection.execute(
                query.where(hourly.c.dimension.not_like("%/d")).group_by(*keys)
            )
        }


def test_a_filled_log_has_the_counts_of_its_rows(database: sa.Engine) -> None:
    assert len(list(fill(database, SIZE))) == 5
    found, hours = counts(database), sums(database)
    assert found["requests"] == pytest.approx(600, abs=5)
    assert 300 < found["predictions"] < 1000
    with database.begin() as connection:
        rebuild(connection)
    assert sums(database) == hours


def test_filling_goes_on_where_it_was_left(database: sa.Engine) -> None:
    days = fill(database, SIZE)
    next(days)
    days.close()  # type: ignore[attr-defined]
    assert len(list(fill(database, SIZE))) == 4
    assert list(fill(database, SIZE)) == []
    assert counts(database)["requests"] == pytest.approx(600, abs=5)


def test_every_figure_that_the_dashboard_may_ask_for_is_timed(database: sa.Engine) -> None:
    list(fill(database, SIZE))
    span = Span.up_to(analytics.recent_requests(database, 1)[0].at, *RANGES["24 hours"])
    asked = queries(database, span)
    for ask in asked.values():
        ask()
    apart = {"recent_requests", "one_request", "reference_of"}
    # Of `viewer`: they call functions that are timed, and leave names out of what those return.
    apart |= {name for name in vars(viewer) if name.startswith(("visible_", "require_"))}
    functions = {name for name in analytics.__all__ if name.islower()} - apart
    told = {ask.func.__name__ for ask in asked.values()} | {  # type: ignore[attr-defined]
        ask.func.func.__name__  # type: ignore[attr-defined]
        for ask in asked.values()
        if hasattr(ask.func, "func")  # type: ignore[attr-defined]
    }
    assert functions <= told


def test_what_takes_too_long_is_named() -> None:
    quick, slow = Timed("volume", "1 hour", (1.0,) * 5), Timed("users", "90 days", (301.0,) * 5)
    assert verdict([quick]).startswith("all under 300 ms")
    assert "users of 90 days: 301 ms" in verdict([quick, slow])
    assert "301 / 301" in table([quick, slow])
    assert timedelta(days=90) in {length for length, _ in RANGES.values()}
