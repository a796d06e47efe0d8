"""Every figure of the dashboard against the brute-force answer on random data."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from sql import RequestRecord, Span, analytics, migrate, open_database
from sql.request_log import insert_requests

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
SPAN = Span(START, START + timedelta(hours=3), timedelta(minutes=30))


@pytest.fixture(scope="module")
def rows() -> list[RequestRecord]:
    rng = np.random.default_rng(0)
    return [
        RequestRecord(
            id=f"{number:036d}",
            at_utc=START + timedelta(milliseconds=int(rng.integers(-3_600_000, 14_400_000))),
            method="POST",
            endpoint=str(rng.choice(["/predict", "/generate"])),
            status=int(rng.choice([200, 200, 200, 401, 429, 500])),
            latency_ms=float(rng.gamma(2, 20)),
            user_name=str(rng.choice(["ada", "eve"])),
            images=1,
            class_name=str(rng.choice(["rust", "scab"])) if rng.random() < 0.7 else None,
            confidence=float(rng.random()),
        )
        for number in range(2000)
    ]


@pytest.fixture(scope="module")
def within(rows: list[RequestRecord]) -> list[RequestRecord]:
    return [row for row in rows if SPAN.since <= row.at_utc < SPAN.until]


@pytest.fixture(scope="module")
def log(rows: list[RequestRecord], tmp_path_factory: pytest.TempPathFactory) -> sa.Engine:
    folder: Path = tmp_path_factory.mktemp("analytics")
    engine = open_database(f"sqlite:///{folder / 'log.db'}")
    migrate(engine)
    for start in range(0, len(rows), 500):
        insert_requests(engine, rows[start : start + 500])
    return engine


def test_totals(log: sa.Engine, within: list[RequestRecord]) -> None:
    total = analytics.summary(log, SPAN)
    statuses = [row.status for row in within]
    assert total.requests == len(within)
    assert total.refused == sum(400 <= status < 500 for status in statuses)
    assert total.failed == sum(status >= 500 for status in statuses)
    assert total.error_rate == pytest.approx(total.failed / total.requests)
    assert (total.users, total.images) == (2, len(within))
    latencies = [row.latency_ms for row in within]
    assert total.p95_ms == pytest.approx(np.percentile(latencies, 95, method="inverted_cdf"))


def test_volume_has_every_bucket_and_adds_up(log: sa.Engine, within: list[RequestRecord]) -> None:
    found = analytics.volume(log, SPAN)
    assert [item.at for item in found] == [START + i * SPAN.bucket for i in range(6)]
    for item in found:
        there = [row.status for row in within if item.at <= row.at_utc < item.at + SPAN.bucket]
        assert item.answered == sum(status < 400 for status in there)
        assert item.refused == sum(400 <= status < 500 for status in there)
        assert item.failed == sum(status >= 500 for status in there)


@pytest.mark.parametrize("endpoint", [None, "/predict"])
def test_latency_percentiles_are_those_of_all_requests_in_the_bucket(
    log: sa.Engine, within: list[RequestRecord], endpoint: str | None
) -> None:
    found = analytics.latency(log, SPAN, endpoint)
    assert len(found) == 6
    for item in found:
        there = [
            row.latency_ms
            for row in within
            if item.at <= row.at_utc < item.at + SPAN.bucket and endpoint in (None, row.endpoint)
        ]
        assert item.requests == len(there)
        wanted = np.percentile(there, [50, 95, 99], method="inverted_cdf")
        assert (item.p50_ms, item.p95_ms, item.p99_ms) == pytest.approx(tuple(wanted))


def test_diseases(log: sa.Engine, within: list[RequestRecord]) -> None:
    counts = Counter(row.class_name for row in within if row.class_name)
    found = analytics.disease_frequency(log, SPAN)
    assert {item.class_name: item.count for item in found} == counts
    assert [item.count for item in found] == sorted(counts.values(), reverse=True)
    for item in found:
        sure = [row.confidence for row in within if row.class_name == item.class_name]
        assert item.mean_confidence == pytest.approx(np.mean([c for c in sure if c is not None]))
    over_time = analytics.diseases_over_time(log, SPAN)
    assert sum(item.count for item in over_time) == counts.total()


def test_recent_requests_are_the_newest_first(log: sa.Engine, rows: list[RequestRecord]) -> None:
    newest = sorted(rows, key=lambda row: row.at_utc, reverse=True)[:5]
    found = analytics.recent_requests(log, 5)
    assert [item.id for item in found] == [row.id for row in newest]
    assert found[0].at.tzinfo is UTC


def test_an_empty_time_has_zeros_and_no_figures(log: sa.Engine) -> None:
    empty = Span(START + timedelta(days=9), START + timedelta(days=10), timedelta(hours=6))
    total = analytics.summary(log, empty)
    assert (total.requests, total.failed, total.error_rate) == (0, 0, 0)
    assert np.isnan(total.p50_ms)
    assert [item.answered for item in analytics.volume(log, empty)] == [0, 0, 0, 0]
    assert analytics.latency(log, empty) == ()
    assert analytics.endpoints(log, empty) == ()
