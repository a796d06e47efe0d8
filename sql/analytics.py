"""Every query the dashboard shows, each a function with a typed result.

A span is from `since` (included) to `until` (not included), both aware datetimes. Percentiles are
those of all requests in their bucket, by nearest rank, never averages of percentiles.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import sqlalchemy as sa

from sql.request_log import naive_utc
from sql.schema import requests

COLUMNS = requests.c


@dataclass(frozen=True)
class Span:
    """The time asked about, and how finely it is cut."""

    since: datetime
    until: datetime
    bucket: timedelta = timedelta(hours=1)

    def bucket_of(self, moment: datetime) -> datetime:
        """Start of the bucket that `moment` falls into, counted from `since`."""
        return self.since + (moment - self.since) // self.bucket * self.bucket


@dataclass(frozen=True)
class Summary:
    """Totals. error_rate: share with status 500 and over; latencies in ms, NaN without requests."""

    requests: int
    refused: int
    failed: int
    users: int
    images: int
    p50_ms: float
    p95_ms: float

    @property
    def error_rate(self) -> float:
        """Share of requests that failed on our side; 0 without requests."""
        return self.failed / self.requests if self.requests else 0.0


@dataclass(frozen=True)
class Volume:
    """Requests of one bucket: answered (under 400), refused (4xx), failed (5xx)."""

    at: datetime
    answered: int
    refused: int
    failed: int


@dataclass(frozen=True)
class Latency:
    """Latency of one bucket, in ms."""

    at: datetime
    requests: int
    p50_ms: float
    p95_ms: float
    p99_ms: float


@dataclass(frozen=True)
class ClassCount:
    """How often a class was answered, and the mean confidence."""

    class_name: str
    count: int
    mean_confidence: float


@dataclass(frozen=True)
class ClassVolume:
    """How often a class was answered in one bucket."""

    at: datetime
    class_name: str
    count: int


@dataclass(frozen=True)
class LoggedRequest:
    """One row of the log, for the table of recent requests."""

    id: str
    at: datetime
    endpoint: str
    status: int
    latency_ms: float
    user_name: str | None
    class_name: str | None
    confidence: float | None
    model_version: int | None
    error_code: str | None


def summary(engine: sa.Engine, span: Span) -> Summary:
    """Totals over the span."""
    counted = sa.select(
        sa.func.count(),
        _count_if(COLUMNS.status.between(400, 499)),
        _count_if(COLUMNS.status >= 500),
        sa.func.count(COLUMNS.user_name.distinct()),
        sa.func.coalesce(sa.func.sum(COLUMNS.images), 0),
    ).where(_requests(span))
    with engine.connect() as connection:
        total, refused, failed, users, images = connection.execute(counted).one()
        latencies = connection.scalars(sa.select(COLUMNS.latency_ms).where(_requests(span))).all()
    p50, p95 = percentiles(latencies, (50, 95))
    return Summary(total, refused or 0, failed or 0, users, int(images), p50, p95)


def volume(engine: sa.Engine, span: Span) -> tuple[Volume, ...]:
    """Requests over time; a bucket without any is there with zeros."""
    counts = {at: [0, 0, 0] for at in _buckets(span)}
    for at, status in _rows(engine, span, COLUMNS.status):
        counts[span.bucket_of(at)][min(max(status // 100 - 3, 0), 2)] += 1
    return tuple(Volume(at, *numbers) for at, numbers in counts.items())


def latency(engine: sa.Engine, span: Span, endpoint: str | None = None) -> tuple[Latency, ...]:
    """Percentiles over time, of one endpoint or all; a bucket without requests is left out."""
    chosen = _requests(span)
    if endpoint is not None:
        chosen = sa.and_(chosen, COLUMNS.endpoint == endpoint)
    groups: dict[datetime, list[float]] = defaultdict(list)
    for at, value in _rows(engine, span, COLUMNS.latency_ms, chosen):
        groups[span.bucket_of(at)].append(value)
    return tuple(
        Latency(at, len(values), *percentiles(values, (50, 95, 99)))
        for at, values in sorted(groups.items())
    )


def disease_frequency(engine: sa.Engine, span: Span) -> tuple[ClassCount, ...]:
    """How often each class was answered, most frequent first."""
    query = (
        sa.select(COLUMNS.class_name, sa.func.count(), sa.func.avg(COLUMNS.confidence))
        .where(_diagnoses(span))
        .group_by(COLUMNS.class_name)
        .order_by(sa.func.count().desc(), COLUMNS.class_name)
    )
    with engine.connect() as connection:
        return tuple(ClassCount(n, c, float(mean)) for n, c, mean in connection.execute(query))


def diseases_over_time(engine: sa.Engine, span: Span) -> tuple[ClassVolume, ...]:
    """How often each class was answered in each bucket; empty buckets are left out."""
    counts: dict[tuple[datetime, str], int] = defaultdict(int)
    for at, name in _rows(engine, span, COLUMNS.class_name, _diagnoses(span)):
        counts[span.bucket_of(at), name] += 1
    return tuple(ClassVolume(at, name, count) for (at, name), count in sorted(counts.items()))


def endpoints(engine: sa.Engine, span: Span) -> tuple[str, ...]:
    """Endpoints asked for in the span, by name."""
    query = sa.select(COLUMNS.endpoint).where(_requests(span)).distinct()
    with engine.connect() as connection:
        return tuple(sorted(connection.scalars(query)))


def recent_requests(engine: sa.Engine, limit: int = 50) -> tuple[LoggedRequest, ...]:
    """The newest rows, newest first."""
    names = ("endpoint", "status", "latency_ms", "user_name", "class_name", "confidence")
    wanted = [COLUMNS[name] for name in (*names, "model_version", "error_code")]
    query = (
        sa.select(COLUMNS.id, COLUMNS.at_utc, *wanted)
        .where(COLUMNS.part_of.is_(None))
        .order_by(COLUMNS.at_utc.desc(), COLUMNS.id.desc())
        .limit(limit)
    )
    with engine.connect() as connection:
        rows = connection.execute(query).all()
    return tuple(LoggedRequest(row[0], row[1].replace(tzinfo=UTC), *row[2:]) for row in rows)


def percentiles(values: Sequence[float], levels: Sequence[float]) -> tuple[float, ...]:
    """Nearest-rank percentiles (levels in percent); NaN without values."""
    if not len(values):
        return tuple(float("nan") for _ in levels)
    found = np.percentile(np.asarray(values), levels, method="inverted_cdf")
    return tuple(float(value) for value in found)


def _requests(span: Span) -> sa.ColumnElement[bool]:
    """What callers sent: not the single images of a batch, nor shadows."""
    return sa.and_(_within(span), COLUMNS.part_of.is_(None))


def _diagnoses(span: Span) -> sa.ColumnElement[bool]:
    """What callers were told of an image, alone or in a batch; not what a shadow thought."""
    told = sa.or_(COLUMNS.lane.is_(None), COLUMNS.lane != "shadow")
    return sa.and_(_within(span), COLUMNS.class_name.is_not(None), told)


def _within(span: Span) -> sa.ColumnElement[bool]:
    return sa.and_(COLUMNS.at_utc >= naive_utc(span.since), COLUMNS.at_utc < naive_utc(span.until))


def _count_if(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
    return sa.func.sum(sa.case((condition, 1), else_=0))


def _buckets(span: Span) -> list[datetime]:
    count = -(-(span.until - span.since) // span.bucket)
    return [span.since + number * span.bucket for number in range(count)]


def _rows(
    engine: sa.Engine,
    span: Span,
    column: sa.ColumnElement[Any],
    chosen: sa.ColumnElement[bool] | None = None,
) -> list[tuple[datetime, Any]]:
    query = sa.select(COLUMNS.at_utc, column).where(_requests(span) if chosen is None else chosen)
    with engine.connect() as connection:
        rows = connection.execute(query).all()
    # Stored times are cut to milliseconds and may lie a little before `since`.
    return [(max(at.replace(tzinfo=UTC), span.since), value) for at, value in rows]
