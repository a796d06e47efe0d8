"""What is sent to a database: statements that SQL Server takes too, within its bounds."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import mssql
from sqlalchemy.sql import visitors

from sql import Span, analytics
from sql.analytics import Member, Only, Reference
from tests.databases import one_module
from tests.random_log import SPANS, START, random_entries, store_out_of_order

DAY = timedelta(days=1)
MOST_PARAMETERS = 2000
ENTRIES = random_entries(60)
KOLKATA = SPANS["days of Kolkata"]
LONG = Span(KOLKATA.since, KOLKATA.since + 250 * DAY, DAY)  # an hour is cut each day


@pytest.fixture(scope=one_module)
def log(lasting_database: sa.Engine) -> sa.Engine:
    store_out_of_order(lasting_database, ENTRIES)
    return lasting_database


@contextmanager
def listening(engine: sa.Engine) -> Iterator[list[tuple[Any, Any]]]:
    """What is executed meanwhile, as SQLAlchemy has it, and with how many parameters."""
    found: list[tuple[Any, Any]] = []

    def note(_: Any, __: Any, ___: str, parameters: Any, context: Any, ____: bool) -> None:
        found.append((context.compiled.statement, parameters))

    sa.event.listen(engine, "before_cursor_execute", note)
    yield found
    sa.event.remove(engine, "before_cursor_execute", note)


def ask_everything(log: sa.Engine, span: Span) -> None:
    analytics.summary(log, span)
    analytics.volume(log, span)
    for dimension, name in (("endpoint", "/predict"), ("version", "leaf 2"), ("user", "ada")):
        member = Member(dimension, name)  # type: ignore[arg-type]
        for limited in (analytics.summary, analytics.volume, analytics.latency):
            limited(log, span, member)
    analytics.traffic_by(log, span, "source", limit=500)
    analytics.batch_sizes(log, span)
    analytics.made_sizes(log, span)
    analytics.clients(log, span)
    analytics.clients_over_time(log, span)
    analytics.read_frequency(log, span)
    analytics.versions_seen(log, span)
    analytics.versions_over_time(log, span)
    for only in (Only(), Only(version=1), Only(user="eve"), Only(source="10.0.0.3")):
        analytics.disease_frequency(log, span, only)
        analytics.diseases_over_time(log, span, only)
        analytics.confidence_distribution(log, span, only)
        analytics.unknown_over_time(log, span, only)
    for shadows in (False, True):
        analytics.feedback_accuracy(log, span, shadows=shadows)
    analytics.drift(log, span, Reference(2, {"rust": 1}, [1] * 50))
    page = analytics.recent_requests(log, 20)
    analytics.recent_requests(log, 20, before=page[-1])
    analytics.one_request(log, page[0].id)


@pytest.mark.parametrize("span", [SPANS["odd microseconds"], LONG], ids=["short", "long"])
def test_sql_server_is_asked_in_its_own_words_and_within_its_bounds(
    log: sa.Engine, span: Span
) -> None:
    with listening(log) as statements:
        ask_everything(log, span)
    assert len(statements) > 40
    dialect = mssql.dialect()  # type: ignore[no-untyped-call]
    for statement, parameters in statements:
        text = str(statement.compile(dialect=dialect)).upper()
        assert "LIMIT" not in text
        assert len(parameters) <= MOST_PARAMETERS
        if "ORDER BY" in text:
            assert "TOP" in text or "OFFSET" in text


def test_no_statement_groups_or_sorts_by_what_is_a_parameter(log: sa.Engine) -> None:
    """SQL Server takes each parameter for another one: a column that is grouped by such an
    expression is not the one that is selected (error 8120). Nor does it sort by one (408), or take
    a condition for a value.
    """
    with listening(log) as statements:
        ask_everything(log, LONG)
    assert len(statements) > 40
    for statement, _ in statements:
        for each in visitors.iterate(statement):
            if not isinstance(each, sa.Select):
                continue
            by = [*each._group_by_clauses, *each._order_by_clauses]
            by += list(each.selected_columns) if each._distinct else []
            bound = [part for one in by for part in visitors.iterate(one) if is_parameter(part)]
            assert not bound, str(each)
            for column in each.selected_columns:
                assert not isinstance(column.type, sa.Boolean) or isinstance(column, sa.Column)
            if each._offset_clause is not None:
                assert each._order_by_clauses


def is_parameter(part: object) -> bool:
    return isinstance(part, sa.BindParameter)


def test_a_long_time_of_days_in_a_zone_that_cuts_hours_is_counted_right(log: sa.Engine) -> None:
    found = analytics.volume(log, LONG)
    within = analytics.summary(log, LONG).requests
    assert sum(row.answered + row.refused + row.failed for row in found) == within
    assert within == sum(LONG.since <= entry.request.at_utc for entry in ENTRIES if entry.request)


def test_many_days_are_asked_of_the_database_in_few_statements(log: sa.Engine) -> None:
    """One that reads the days, and none for each of them."""
    aligned = Span(START.replace(hour=0), START.replace(hour=0) + 90 * DAY, DAY)
    with listening(log) as statements:
        analytics.volume(log, aligned)
    assert len(statements) == 1
