"""How long every query of the dashboard takes, of a log with millions of requests.

    python -m benchmarks.analytics --url sqlite:///var/many.db --requests 10000000

fills the database (unless it is filled), and prints the median and the longest of five for each
query and range of time, in ms, and which are over the limit.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

import sqlalchemy as sa

from benchmarks.many_requests import CLASSES, Size, fill
from sql import Span, analytics, migrate, open_database
from sql.analytics import Member, Only, Reference
from sql.histogram import CONFIDENCE_BINS
from sql.schema import requests

LIMIT_MS = 300.0
TIMES = 5
DAYS = 90
UNTIL = datetime(2026, 3, 31, 13, 37, 21, tzinfo=UTC)
RANGES = {
    "1 hour": (timedelta(hours=1), timedelta(minutes=2)),
    "24 hours": (timedelta(hours=24), timedelta(hours=1)),
    "7 days": (timedelta(days=7), timedelta(hours=4)),
    "30 days": (timedelta(days=30), timedelta(days=1)),
    "90 days": (timedelta(days=90), timedelta(days=7)),
}


@dataclass(frozen=True)
class Timed:
    """One query of one range. ms: of each time."""

    query: str
    span: str
    ms: tuple[float, ...]

    @property
    def median(self) -> float:
        """Of the times."""
        return statistics.median(self.ms)


def queries(engine: sa.Engine, span: Span) -> dict[str, Callable[[], object]]:
    """Every query, ready to be asked of the span."""
    user, source = Only(user="user-3"), Only(source="10.0.1.3")
    members: dict[analytics.Dimension, str] = {
        "endpoint": "/predict",
        "user": "user-3",
        "source": "10.0.1.3",
        "version": "leaf-classifier 2",
        "client": "dashboard",
        "batch": "8",
    }
    asked: dict[str, Callable[..., object]] = {
        "summary": analytics.summary,
        "volume": analytics.volume,
        "volume of one user": partial(analytics.volume, of=Member("user", "user-3")),
        "summary of one user": partial(analytics.summary, of=Member("user", "user-3")),
        "latency": analytics.latency,
        **{
            f"latency of one {dimension}": partial(analytics.latency, of=Member(dimension, name))
            for dimension, name in members.items()
        },
        **{
            f"traffic by {dimension}": partial(analytics.traffic_by, dimension=dimension)
            for dimension in members
        },
        "batch sizes": analytics.batch_sizes,
        "sizes made": analytics.made_sizes,
        "clients": analytics.clients,
        "clients over time": analytics.clients_over_time,
        "read in generated pictures": analytics.read_frequency,
        "endpoints": analytics.endpoints,
        "users": analytics.users,
        "sources": analytics.sources,
        "versions seen": analytics.versions_seen,
        "versions over time": analytics.versions_over_time,
        "disease frequency": analytics.disease_frequency,
        "... of one version": partial(analytics.disease_frequency, only=Only(version=2)),
        "... of one user": partial(analytics.disease_frequency, only=user),
        "... of one source": partial(analytics.disease_frequency, only=source),
        "diseases over time": analytics.diseases_over_time,
        "... over time of one user": partial(analytics.diseases_over_time, only=user),
        "... over time of one source": partial(analytics.diseases_over_time, only=source),
        "confidences": analytics.confidence_distribution,
        "confidences of one version": partial(
            analytics.confidence_distribution, only=Only(version=2)
        ),
        "confidences of one source": partial(analytics.confidence_distribution, only=source),
        "unknown over time": analytics.unknown_over_time,
        "accuracy by feedback": analytics.feedback_accuracy,
        "... of shadows": partial(analytics.feedback_accuracy, shadows=True),
        "drift": partial(analytics.drift, reference=_reference()),
    }
    return {name: partial(query, engine, span) for name, query in asked.items()}


def _reference() -> Reference:
    return Reference(2, dict.fromkeys(CLASSES, 100), [30] * CONFIDENCE_BINS)


def measured(engine: sa.Engine, now: datetime) -> Iterator[Timed]:
    """Each query of each range, five times."""
    for name, (length, bucket) in RANGES.items():
        for query, ask in queries(engine, Span.up_to(now, length, bucket)).items():
            yield Timed(query, name, _times(ask))
    newest = analytics.recent_requests(engine)
    yield Timed("recent requests", "", _times(lambda: analytics.recent_requests(engine)))
    page = partial(analytics.recent_requests, engine, before=newest[-1])
    yield Timed("... the next page", "", _times(page))
    yield Timed("one request", "", _times(lambda: analytics.one_request(engine, newest[0].id)))


def _times(ask: Callable[[], object]) -> tuple[float, ...]:
    found = []
    for _ in range(TIMES):
        start = time.perf_counter()
        ask()
        found.append((time.perf_counter() - start) * 1000)
    return tuple(found)


def table(timed: list[Timed]) -> str:
    """Median / longest in ms: a line a query, a column a range."""
    cells = {(each.query, each.span): f"{each.median:.0f} / {max(each.ms):.0f}" for each in timed}
    spans = [*RANGES, ""]
    lines = [f"{'median / longest, ms':30}" + "".join(f"{span:>14}" for span in spans)]
    for query in dict.fromkeys(each.query for each in timed):
        row = "".join(f"{cells.get((query, span), ''):>14}" for span in spans)
        lines.append(f"{query:30}{row}")
    return "\n".join(lines)


def verdict(timed: list[Timed]) -> str:
    """Which are over the limit."""
    over = [each for each in timed if each.median > LIMIT_MS]
    if not over:
        slowest = max(timed, key=lambda each: each.median)
        return f"all under {LIMIT_MS:.0f} ms; slowest: {slowest.query}, {slowest.median:.0f} ms"
    names = "; ".join(f"{each.query} of {each.span}: {each.median:.0f} ms" for each in over)
    return f"over {LIMIT_MS:.0f} ms: {names}"


def measure(url: str, count: int) -> None:
    """Fill the database of the URL with so many requests, unless it is; ask it; print the times."""
    engine = open_database(url)
    migrate(engine)
    filled(engine, count)
    with engine.connect() as connection:
        found = connection.scalar(sa.select(sa.func.count()).select_from(requests))
    print(f"{engine.dialect.name}, {found:,} requests over {DAYS} days")
    timed = list(measured(engine, UNTIL))
    print(table(timed))
    print(verdict(timed))


def filled(engine: sa.Engine, count: int) -> None:
    """Fill it, day by day."""
    start = time.perf_counter()
    for day in fill(engine, Size(count, DAYS, UNTIL.replace(tzinfo=None))):
        print(f"{time.perf_counter() - start:6.0f} s  {day:%Y-%m-%d} is filled", flush=True)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--requests", type=int, default=10_000_000)
    given = parser.parse_args()
    measure(given.url, given.requests)


if __name__ == "__main__":
    main()
