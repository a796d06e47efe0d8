"""How much was asked, by whom and of what, how it ended, and how long it took.

Latency percentiles are those of all requests in question, by nearest rank, within 2 % of the value
(sql/histogram.py); never averages of percentiles. Counts are exact.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa

from sql.analytics.counts import Asked, Counted, count
from sql.analytics.span import Span
from sql.histogram import percentiles

LEVELS = (50, 95, 99)
MOST_MEMBERS = 1000
Dimension = Literal["endpoint", "user", "source", "client", "version", "batch", "made"]


@dataclass(frozen=True)
class Member:
    """One endpoint, user, source (an address), client (a program), version ("model version"), batch
    size ("8") or number of pictures made ("16") of the traffic.
    """

    dimension: Dimension
    name: str


@dataclass(frozen=True)
class Traffic:
    """Requests of a whole span, or of one of its members. refused: with 4xx; failed: with 5xx.

    images: sent, or made for them. Latencies in ms; NaN without requests.
    """

    requests: int
    refused: int
    failed: int
    images: int
    p50_ms: float
    p95_ms: float
    p99_ms: float

    @property
    def error_rate(self) -> float:
        """Share of requests that failed on our side; 0 without requests."""
        return self.failed / self.requests if self.requests else 0.0


@dataclass(frozen=True)
class Summary(Traffic):
    """Totals of a span. users: how many different ones were signed in; None: of one member alone,
    whose users are not counted.
    """

    users: int | None


@dataclass(frozen=True)
class MemberTraffic(Traffic):
    """Traffic of one member. name: "" for requests without a user, a source or a client."""

    name: str


@dataclass(frozen=True)
class Members:
    """The members with the most requests, and how many others there are."""

    rows: tuple[MemberTraffic, ...]
    left_out: int


@dataclass(frozen=True)
class Volume:
    """Requests of one bucket: answered (under 400), refused (4xx), failed (5xx)."""

    at: datetime
    answered: int
    refused: int
    failed: int


@dataclass(frozen=True)
class ClientVolume:
    """Requests of one bucket that one client sent, however they ended."""

    at: datetime
    client: str
    requests: int


@dataclass(frozen=True)
class Latency:
    """Latency of one bucket, in ms."""

    at: datetime
    requests: int
    p50_ms: float
    p95_ms: float
    p99_ms: float


def summary(engine: sa.Engine, span: Span, of: Member | None = None) -> Summary:
    """Totals over the span, of one member or of all requests."""
    found = count(engine, span.whole, _asked(of, histogram=True))
    total = next(iter(found.values()), Counted())
    return Summary(**_traffic(total), users=None if of else len(users(engine, span)))


def volume(engine: sa.Engine, span: Span, of: Member | None = None) -> tuple[Volume, ...]:
    """Requests over time, of one member or of all; a bucket without any is there with zeros."""
    found = count(engine, span.edges, _asked(of))
    each = [found.get((number,), Counted()) for number in range(len(span.starts))]
    return tuple(
        Volume(at, counted.answered, counted.refused, counted.failed)
        for at, counted in zip(span.starts, each, strict=True)
    )


def clients_over_time(engine: sa.Engine, span: Span) -> tuple[ClientVolume, ...]:
    """How many requests each client sent in each bucket; those without any are left out."""
    found = count(engine, span.edges, Asked("client", by=("name",)))
    return tuple(
        ClientVolume(span.starts[number], name, counted.requests)
        for (number, name), counted in sorted(found.items(), key=lambda item: item[0])
        if counted.requests
    )


def latency(engine: sa.Engine, span: Span, of: Member | None = None) -> tuple[Latency, ...]:
    """Percentiles over time, of one member or of all requests; a bucket without any is left out."""
    found = count(engine, span.edges, _asked(of, histogram=True))
    return tuple(
        Latency(span.starts[number], counted.requests, *percentiles(counted.latencies(), LEVELS))
        for (number,), counted in sorted(found.items())
    )


def traffic_by(engine: sa.Engine, span: Span, dimension: Dimension, limit: int = 20) -> Members:
    """Traffic of each member, most requests first, up to `limit` of them (at most 1,000)."""
    if not 0 < limit <= MOST_MEMBERS:
        raise ValueError(f"a limit of {limit} members: between 1 and {MOST_MEMBERS}")
    sums = count(engine, span.whole, Asked(dimension, by=("name",)))
    ranked = sorted(sums, key=lambda key: (-sums[key].requests, key[1]))
    names = tuple(name for _, name in ranked[:limit])
    rows = sorted(_members(engine, span, dimension, names), key=_by_requests)
    return Members(tuple(rows), len(ranked) - len(names))


def batch_sizes(engine: sa.Engine, span: Span) -> tuple[MemberTraffic, ...]:
    """Traffic by the number of images that a request sent (the name), fewest first. Of pictures
    that a request had made, see `made_sizes`.
    """
    return tuple(sorted(_members(engine, span, "batch"), key=lambda row: int(row.name)))


def made_sizes(engine: sa.Engine, span: Span) -> tuple[MemberTraffic, ...]:
    """Traffic by the number of pictures that /generate made in a request (the name), fewest first.

    A picture that is made is other work than an image that is classified, so they are not mixed.
    """
    return tuple(sorted(_members(engine, span, "made"), key=lambda row: int(row.name)))


def endpoints(engine: sa.Engine, span: Span) -> tuple[str, ...]:
    """Endpoints asked for in the span, by name."""
    return _names(engine, span, "endpoint")


def users(engine: sa.Engine, span: Span) -> tuple[str, ...]:
    """Users who were signed in for a request of the span, by name."""
    return _names(engine, span, "user")


def sources(engine: sa.Engine, span: Span) -> tuple[str, ...]:
    """Addresses that requests of the span came from, in order."""
    return _names(engine, span, "source")


def clients(engine: sa.Engine, span: Span) -> tuple[str, ...]:
    """Programs that asked in the span, by name."""
    return _names(engine, span, "client")


def _asked(of: Member | None, *, histogram: bool = False) -> Asked:
    """Every request is in one endpoint, so that all of these are all requests."""
    if of is None:
        return Asked("endpoint", histogram=histogram)
    return Asked(of.dimension, names=(of.name,), histogram=histogram)


def _names(engine: sa.Engine, span: Span, dimension: Dimension) -> tuple[str, ...]:
    found = count(engine, span.whole, Asked(dimension, by=("name",)))
    return tuple(sorted(name for _, name in found if name))


def _members(
    engine: sa.Engine, span: Span, dimension: Dimension, names: tuple[str, ...] | None = None
) -> Iterable[MemberTraffic]:
    asked = Asked(dimension, by=("name",), names=names, histogram=True)
    for (_, name), counted in count(engine, span.whole, asked).items():
        yield MemberTraffic(**_traffic(counted), name=name)


def _by_requests(row: MemberTraffic) -> tuple[int, str]:
    return -row.requests, row.name


def _traffic(counted: Counted) -> dict[str, Any]:
    p50, p95, p99 = percentiles(counted.latencies(), LEVELS)
    return {
        "requests": counted.requests,
        "refused": counted.refused,
        "failed": counted.failed,
        "images": counted.images,
        **{"p50_ms": p50, "p95_ms": p95, "p99_ms": p99},
    }
