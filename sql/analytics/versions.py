"""Which versions of which models answered, from when to when, and how much at a time."""

from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa

from sql.analytics.counts import Asked, count, some_at_once, within
from sql.analytics.span import Range, Span, pieces
from sql.connections import opened
from sql.schema import hourly, requests
from sql.tallies import HOUR, SETTLED_HOURS, version_name


@dataclass(frozen=True)
class Seen:
    """A version that answered requests of a span. first, last: when, in UTC; to the hour where the
    requests themselves were pruned, and counts are left.
    """

    model_name: str
    version: int
    requests: int
    first: datetime
    last: datetime


@dataclass(frozen=True)
class VersionVolume:
    """Requests that a version answered in one bucket."""

    at: datetime
    model_name: str
    version: int
    requests: int


def versions_over_time(engine: sa.Engine, span: Span) -> tuple[VersionVolume, ...]:
    """How many requests each version answered in each bucket; those without any are left out."""
    found = count(engine, span.edges, Asked("version", by=("name",)))
    return tuple(
        VersionVolume(span.starts[number], *_parts(name), counted.requests)
        for (number, name), counted in sorted(found.items(), key=lambda item: item[0])
    )


def versions_seen(engine: sa.Engine, span: Span) -> tuple[Seen, ...]:
    """Versions that answered requests of the span, the latest to begin first."""
    totals = count(engine, span.whole, Asked("version", by=("name",)))
    cut = pieces(span.whole)
    with opened(engine) as connection:
        hours = _hours(connection, [*cut.days, *cut.hours])
        ends = {(hour, hour + HOUR) for both in hours.values() for hour in both}
        moments = _moments(connection, sorted({*cut.rows, *ends}))
    found = [
        _seen(name, counted.requests, hours.get(name), moments.get(name))
        for (_, name), counted in totals.items()
        if name in hours or name in moments
    ]
    return tuple(sorted(found, key=lambda row: (row.first, row.model_name, row.version))[::-1])


def _hours(connection: sa.Connection, ranges: list[Range]) -> dict[str, Range]:
    """The first and the last whole hour in which each version answered."""
    if not ranges:
        return {}
    levels = ("version", f"version{SETTLED_HOURS}")
    hour = hourly.c.hour_utc
    query = sa.select(hourly.c.name, sa.func.min(hour), sa.func.max(hour))
    query = query.where(hourly.c.dimension.in_(levels), within(hour, ranges))
    rows = connection.execute(query.group_by(hourly.c.name))
    return {name: (first, last) for name, first, last in rows}


def _moments(connection: sa.Connection, ranges: list[Range]) -> dict[str, Range]:
    """The first and the last request of each version within some time."""
    of, at = (requests.c.model_name, requests.c.model_version), requests.c.at_utc
    query = sa.select(*of, sa.func.min(at), sa.func.max(at)).where(of[1].is_not(None))
    found: dict[str, Range] = {}
    for some in some_at_once(ranges, 2):
        for model, version, first, last in connection.execute(
            query.where(within(at, some)).group_by(*of)
        ):
            name = version_name(model, version)
            known = found.get(name, (first, last))
            found[name] = (min(known[0], first), max(known[1], last))
    return found


def _seen(name: str, total: int, hours: Range | None, moments: Range | None) -> Seen:
    # Every request before the first whole hour, or in it, was looked at, unless it was pruned.
    first, last = moments or hours or (datetime.max, datetime.min)
    if hours is not None:
        first = first if first < hours[0] + HOUR else hours[0]
        last = last if last >= hours[1] else hours[1]
    return Seen(*_parts(name), total, first.replace(tzinfo=UTC), last.replace(tzinfo=UTC))


def _parts(name: str) -> tuple[str, int]:
    """Model and version of a member of the dimension `version`."""
    model, _, version = name.rpartition(" ")
    return model, int(version)
