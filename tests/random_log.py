"""A log of random requests, and its rows counted one by one, to hold every figure against."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
import sqlalchemy as sa

from sql import Entry, PredictionRecord, RequestRecord, Span
from sql.storing import store_entries

START = datetime(2026, 3, 27, 20, tzinfo=UTC)  # Berlin's clocks go forward on the 29th
LENGTH = timedelta(days=3)
DAY, BERLIN = timedelta(days=1), ZoneInfo("Europe/Berlin")
KOLKATA = timezone(timedelta(hours=5, minutes=30))
ST_JOHNS = timezone(timedelta(hours=-3, minutes=-30))
SPANS = {
    "whole hours": Span(START, START + LENGTH, timedelta(hours=4)),
    "odd microseconds": Span(
        START + timedelta(minutes=17, microseconds=123_457),
        START + timedelta(days=2, minutes=3, microseconds=999_999),
        timedelta(hours=7),
    ),
    "minutes": Span(
        START + timedelta(hours=9, minutes=55), START + timedelta(hours=12), timedelta(minutes=10)
    ),
    "days of Kolkata": Span(
        datetime(2026, 3, 28, tzinfo=KOLKATA), datetime(2026, 3, 31, tzinfo=KOLKATA), DAY
    ),
    "days of St John's": Span(
        datetime(2026, 3, 27, tzinfo=ST_JOHNS), datetime(2026, 3, 30, tzinfo=ST_JOHNS), DAY
    ),
    "days of Berlin, one of 23 hours": Span(
        datetime(2026, 3, 28, tzinfo=BERLIN), datetime(2026, 3, 31, tzinfo=BERLIN), DAY
    ),
    "nothing in it": Span(START + 9 * DAY, START + 10 * DAY, timedelta(hours=6)),
}


def random_entries(count: int = 500, seed: int = 0) -> list[Entry]:
    """Requests of all kinds over three days, most of them with images, in no order."""
    rng = np.random.default_rng(seed)
    return [_entry(rng, number) for number in range(count)]


def _entry(rng: np.random.Generator, number: int) -> Entry:
    micros = int(rng.integers(0, LENGTH // timedelta(microseconds=1)))
    status = int(rng.choice([200, 200, 200, 200, 401, 429, 500]))
    endpoint = str(rng.choice(["/predict", "/predict/batch", "/generate", "/token"]))
    images = {"/predict": 1, "/generate": 4, "/token": 0}.get(endpoint, int(rng.choice([2, 3, 10])))
    answered = status == 200 and images > 0
    request = RequestRecord(
        id=f"{number:08d}-0000-7000-8000-{rng.integers(1 << 40):012x}",
        at_utc=START + timedelta(microseconds=micros),
        method="POST",
        endpoint=endpoint,
        status=status,
        latency_ms=float(rng.gamma(2, 20)),
        user_name=None if status == 401 else str(rng.choice(["ada", "eve", "müller"])),
        source=None if rng.random() < 0.1 else f"10.0.0.{rng.integers(6)}",
        images=images,
        model_name="leaf" if answered else None,
        model_version=int(rng.integers(1, 4)) if answered else None,
        error_code=None if status == 200 else "some_problem",
    )
    told = answered and endpoint != "/generate"
    if not told:
        return Entry(request=request)
    return Entry(
        request=request, predictions=tuple(_image(rng, request, each) for each in range(images))
    )


def _image(rng: np.random.Generator, request: RequestRecord, position: int) -> PredictionRecord:
    alone = request.images == 1
    return PredictionRecord(
        id=request.id if alone else f"{request.id[:19]}{position:04x}{request.id[23:]}",
        request_id=request.id,
        # The last images of a batch may be told in the next hour.
        at_utc=request.at_utc + timedelta(milliseconds=int(rng.integers(0, 900_000))),
        status=200,
        latency_ms=float(rng.gamma(2, 10)),
        position=position,
        lane=str(rng.choice(["production", "production", "canary", "shadow"])),
        model_name="leaf",
        model_version=request.model_version,
        class_name=None if rng.random() < 0.05 else str(rng.choice(["rust", "scab", "fäule"])),
        confidence=float(rng.choice([0.0, 0.02, 1.0, rng.random()])),
        unknown=bool(rng.random() < 0.2),
    )


def store_out_of_order(engine: sa.Engine, entries: Sequence[Entry]) -> None:
    """In several transactions; every fifth entry comes twice, and some twice at once."""
    rng = np.random.default_rng(1)
    doubled = [*entries, *entries[::5]]
    order = rng.permutation(len(doubled))
    for begin in range(0, len(order), 97):
        batch = [doubled[number] for number in order[begin : begin + 97]]
        store_entries(engine, [*batch, *batch[:3]])


def stored(moment: datetime) -> int:
    """The time as it is stored: in full milliseconds of UTC, those after are cut off."""
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def requests_of(
    entries: Iterable[Entry], since: datetime, until: datetime, **fields: Any
) -> list[RequestRecord]:
    """Requests of that time that have those values."""
    found = [entry.request for entry in entries if entry.request]
    return [row for row in found if _matches(row, since, until, fields)]


def told_of(
    entries: Iterable[Entry], since: datetime, until: datetime, **fields: Any
) -> list[PredictionRecord]:
    """Images of that time of which callers were told a class, that have those values.

    Each has its request's `user_name` and `source` too.
    """
    found: list[PredictionRecord] = []
    for entry in entries:
        for image in entry.predictions:
            of = {"user_name": getattr(entry.request, "user_name", None)}
            of |= {"source": getattr(entry.request, "source", None)}
            told = image.class_name is not None and image.lane != "shadow"
            if told and _matches(_With(image, of), since, until, fields):
                found.append(image)
    return found


@dataclass(frozen=True)
class _With:
    image: PredictionRecord
    more: dict[str, Any]

    def __getattr__(self, name: str) -> Any:
        return self.more[name] if name in self.more else getattr(self.image, name)


def _matches(row: Any, since: datetime, until: datetime, fields: dict[str, Any]) -> bool:
    within = stored(since) <= stored(row.at_utc) < stored(until)
    return within and all((getattr(row, name) or "") == value for name, value in fields.items())


def buckets(span: Span) -> list[tuple[datetime, datetime]]:
    """Where each bucket begins and ends: whole days by the calendar, others by the time passed."""
    by_calendar = span.bucket >= DAY
    found: list[tuple[datetime, datetime]] = []
    start = span.since
    while start.astimezone(UTC) < span.until.astimezone(UTC):
        if by_calendar:
            wall = start.replace(tzinfo=None) + span.bucket
            end = wall.replace(tzinfo=start.tzinfo)
        else:
            end = (start.astimezone(UTC) + span.bucket).astimezone(start.tzinfo)
        found.append((start, min(end, span.until, key=lambda moment: moment.astimezone(UTC))))
        start = end
    return found


def assert_percentiles(found: Any, latencies: Sequence[float]) -> None:
    """Each within 2 % of the nearest rank."""
    got = (found.p50_ms, found.p95_ms, found.p99_ms)
    if not latencies:
        assert np.isnan(got).all()
        return
    wanted = np.percentile(latencies, [50, 95, 99], method="inverted_cdf")
    assert got == pytest.approx(tuple(wanted), rel=0.0201)


def counts_of(rows: Sequence[RequestRecord]) -> tuple[int, int, int, int]:
    """Requests, refused, failed, images."""
    statuses = [row.status for row in rows]
    refused = sum(400 <= status < 500 for status in statuses)
    failed = sum(status >= 500 for status in statuses)
    return len(rows), refused, failed, sum(row.images for row in rows)


def shifted(entries: Iterable[Entry], by: timedelta, prefix: str) -> list[Entry]:
    """The same at another time, with ids of their own."""

    def change(row: Any) -> Any:
        return replace(row, id=prefix + row.id[len(prefix) :], at_utc=row.at_utc + by)

    found = []
    for entry in entries:
        assert entry.request is not None
        request = change(entry.request)
        images = [replace(change(image), request_id=request.id) for image in entry.predictions]
        found.append(Entry(request=request, predictions=tuple(images)))
    return found
