"""What the Traffic page says of a span, asked of the log once, and in words."""

import math
from dataclasses import dataclass

import pandas as pd

from dashboard.figures import Log
from dashboard.version_changes import Change, version_changes
from sql import Span, analytics
from sql.analytics import ClientVolume, Latency, Member, Members, MemberTraffic, Summary, Volume

NOBODY = "(none)"  # requests without a user, a source or a client


@dataclass(frozen=True)
class TrafficFigures:
    """Of one member or of all requests; clients, sizes, made_sizes and changes always of all.

    before: of as long a time before the span; clients: requests of each program; sizes: traffic by
    the number of images sent; made_sizes: by the number of pictures that were made.
    """

    span: Span
    total: Summary
    before: Summary
    volume: tuple[Volume, ...]
    latency: tuple[Latency, ...]
    clients: tuple[ClientVolume, ...]
    sizes: tuple[MemberTraffic, ...]
    made_sizes: tuple[MemberTraffic, ...]
    changes: tuple[Change, ...]


@dataclass(frozen=True)
class Shown:
    """One total as it stands on the page. delta: against the time before; None: the same, or there
    was nothing before; worse: whether more of it is bad news.
    """

    label: str
    value: str
    delta: str | None
    worse: bool


def read_figures(log: Log, span: Span, of: Member | None) -> TrafficFigures:
    """All of them. Raises UserError where the log is away."""
    before = Span(span.since - (span.until - span.since), span.since, span.bucket)
    return TrafficFigures(
        span,
        analytics.summary(log, span, of),
        analytics.summary(log, before, of),
        analytics.volume(log, span, of),
        analytics.latency(log, span, of),
        analytics.clients_over_time(log, span),
        analytics.batch_sizes(log, span),
        analytics.made_sizes(log, span),
        version_changes(
            analytics.versions_seen(log, span), analytics.versions_over_time(log, span)
        ),
    )


def totals(now: Summary, before: Summary) -> list[Shown]:
    """Each with how it has changed."""
    found = [
        Shown("Requests", f"{now.requests:,}", _more(now.requests, before.requests), worse=False),
        Shown("Refused (4xx)", f"{now.refused:,}", _more(now.refused, before.refused), worse=True),
        Shown("Failed (5xx)", f"{now.error_rate:.1%}", _points(now, before), worse=True),
    ]
    for label, name in (("Median", "p50"), ("95th percentile", "p95"), ("99th percentile", "p99")):
        value, was = (getattr(each, f"{name}_ms") for each in (now, before))
        found.append(Shown(label, f"{value:.0f} ms", _more(value, was), worse=True))
    if now.users is not None:
        change = _more(now.users, before.users or 0)
        found.append(Shown("Users", f"{now.users:,}", change, worse=False))
    return found


def _more(now: float, before: float) -> str | None:
    """By how much of what it was; a sign leads, by which Streamlit tells the direction."""
    if not before or math.isnan(before) or math.isnan(now):
        return None
    change = now / before - 1
    if change >= 10:
        return f"{now / before:,.0f} times"
    return f"{change:+.0%}" if abs(change) >= 0.005 else None


def _points(now: Summary, before: Summary) -> str | None:
    if not before.requests:
        return None
    change = 100 * (now.error_rate - before.error_rate)
    return f"{change:+.1f} points" if abs(change) >= 0.05 else None


def members_table(found: Members, label: str) -> pd.DataFrame:
    """A row for each member, in the order they come in."""
    return pd.DataFrame(
        {
            label: [row.name or NOBODY for row in found.rows],
            "requests": [row.requests for row in found.rows],
            "refused": [row.refused for row in found.rows],
            "failed": [row.failed for row in found.rows],
            "images": [row.images for row in found.rows],
            "median ms": [round(row.p50_ms) for row in found.rows],
            "p95 ms": [round(row.p95_ms) for row in found.rows],
            "p99 ms": [round(row.p99_ms) for row in found.rows],
        }
    )
