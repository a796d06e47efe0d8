"""Floods of refusals: the first are rows, all of them are counted, and an entry has a size."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from serving.counted_requests import MAX_GROUPS, STRANGERS, CountedRequests
from serving.facts import Facts
from sql import Entry, FeedbackRecord, GenerationRecord, RequestLog, Span, analytics, rebuild_counts
from sql.records import rows_of
from sql.schema import requests
from tests.running_log import PATIENCE, entry

ROWS = 3


class Clock:
    """A clock that a test sets."""

    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def log(database: sa.Engine, tmp_path: Path) -> Iterator[RequestLog]:
    opened = RequestLog(database, tmp_path / "outbox")
    yield opened
    opened.close(1.0)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def counted(log: RequestLog, clock: Clock) -> CountedRequests:
    return CountedRequests(log, ROWS, clock)


def refused(code: str = "token_missing", user: str | None = None) -> Facts:
    facts = Facts.new()
    facts.error_code, facts.user_name = code, user
    return facts


def ask(
    counted: CountedRequests,
    address: str = "10.0.0.1",
    status: int = 401,
    facts: Facts | None = None,
) -> bool:
    """As the middleware does it. Returns whether the request is a row."""
    facts = facts or refused()
    if counted.take(facts, status, address, address):
        return False
    counted.log.record(facts.entry("POST", "/predict", status, address))
    return True


def written(counted: CountedRequests, database: sa.Engine) -> list[sa.Row[tuple[object, ...]]]:
    """The rows of the log, once all that was counted is there."""
    asyncio.run(counted.write())
    assert counted.log.flush(PATIENCE)
    with database.connect() as connection:
        return list(connection.execute(sa.select(requests).order_by(requests.c.id)))


def today() -> Span:
    now = datetime.now(UTC)
    return Span(now - timedelta(hours=2), now + timedelta(hours=1))


def test_the_first_refusals_of_a_minute_are_rows_and_all_of_them_are_counted(
    counted: CountedRequests, database: sa.Engine, clock: Clock
) -> None:
    assert [ask(counted) for _ in range(50)] == [True] * ROWS + [False] * 47
    clock.seconds = 60
    assert ask(counted)
    rows = written(counted, database)
    assert [row.request_count for row in rows] == [1] * (ROWS + 1) + [47]
    last = rows[-1]
    assert (last.endpoint, last.method, last.status) == ("*", "*", 401)
    assert (last.source, last.error_code) == ("10.0.0.1", "token_missing")
    assert counted.total == 47
    total = analytics.summary(database, today())
    assert (total.requests, total.refused) == (51, 51)


def test_figures_are_the_same_once_counts_are_made_from_the_rows_again(
    counted: CountedRequests, database: sa.Engine
) -> None:
    for _ in range(50):
        ask(counted)
    written(counted, database)
    before = analytics.traffic_by(database, today(), "source")
    rebuild_counts(database)
    assert analytics.traffic_by(database, today(), "source") == before
    assert before.rows[0].requests == 50
    quarter = Span(today().since, today().until, timedelta(minutes=15))  # no whole hours
    assert sum(each.refused for each in analytics.volume(database, quarter)) == 50


def test_an_address_that_asks_too_often_gets_no_row_at_all(
    counted: CountedRequests, database: sa.Engine
) -> None:
    for _ in range(2000):
        facts = refused("too_many_requests")
        facts.only_counted = True
        assert not ask(counted, status=429, facts=facts)
    (row,) = written(counted, database)
    assert (row.request_count, row.status, row.source) == (2000, 429, "10.0.0.1")


def test_many_addresses_together_get_no_more_rows_and_counts_than_are_bounded(
    counted: CountedRequests, database: sa.Engine
) -> None:
    rows = sum(ask(counted, f"10.0.{number // 250}.{number % 250}") for number in range(3000))
    assert rows == STRANGERS * ROWS
    found = written(counted, database)
    assert len(found) == rows + MAX_GROUPS + 1
    assert sum(row.request_count for row in found) == 3000
    assert max(row.request_count for row in found if row.source is not None) == 1


def test_what_a_user_did_is_always_a_row_and_what_they_are_refused_is_bounded(
    counted: CountedRequests,
) -> None:
    assert all(ask(counted, status=200, facts=refused("", "ada")) for _ in range(100))
    told = [ask(counted, status=429, facts=refused("x", "ada")) for _ in range(5)]
    assert told == [True] * ROWS + [False] * 2
    assert ask(counted, status=429, facts=refused("x", "eve"))
    assert all(ask(counted, status=503, facts=refused("x", "ada")) for _ in range(100))


def test_a_request_with_an_image_pictures_or_feedback_is_always_a_row(
    counted: CountedRequests,
) -> None:
    image, pictures, feedback = refused(), refused(), refused()
    image.only_image("a.png").sha256 = "a" * 64
    pictures.generation = object()  # type: ignore[assignment]
    feedback.feedback = object()  # type: ignore[assignment]
    for facts in (image, pictures, feedback):
        assert not any(counted.take(facts, 415, "10.0.0.1", "10.0.0.1") for _ in range(100))


def test_counts_that_cannot_be_written_are_written_later(
    counted: CountedRequests, database: sa.Engine
) -> None:
    for _ in range(50):
        ask(counted)
    file = counted.log._outbox._writing
    assert counted.log.flush(PATIENCE)
    file.execute("PRAGMA query_only=1")
    asyncio.run(counted.write())
    file.execute("PRAGMA query_only=0")
    ask(counted)
    assert written(counted, database)[-1].request_count == 48


def test_an_entry_has_a_size_whatever_is_sent(log: RequestLog) -> None:
    """64 images with names of 10 kB, a path of 60 kB, and as much in every other text."""
    long = "x" * 60_000
    image = replace(
        entry(1).predictions[0],
        file_name="🍂" * 10_000,
        class_name=long,
        error_code=long,
        engine=long,
        model_name=long,
        artifact_digest=long,
        most_probable=long,
        lane=long,
    )
    request = replace(
        entry(1, endpoint="/" + long, method=long, user_name=long, source=long).request,  # type: ignore[type-var]
        model_name="\ud800" + long,
        error_code=long,
    )
    now = datetime.now(UTC)
    large = Entry(
        request=request,
        predictions=(image,) * 64,
        generation=GenerationRecord(id=long, at_utc=now, class_name=long, output_sha256=long),
        feedback=FeedbackRecord(id=long, at_utc=now, prediction_id=long, true_class=long),
    )
    text = large.as_json()
    assert len(text) < 64 * 5000
    rows = rows_of(text)
    assert rows["requests"][0]["endpoint"] == f"/{'x' * 198}…"
    assert rows["requests"][0]["method"] == "xxxxxxx~"
    assert rows["predictions"][0]["file_name"] == "🍂" * 127 + "…"
    assert rows["feedback"][0]["true_class"] == "x" * 199 + "…"


def test_a_text_that_fits_is_kept_as_it_is(log: RequestLog) -> None:
    fitting = entry(1, endpoint="/" + "é" * 199, user_name="Zoë 🍂")
    row = rows_of(fitting.as_json())["requests"][0]
    assert (row["endpoint"], row["user_name"]) == ("/" + "é" * 199, "Zoë 🍂")
