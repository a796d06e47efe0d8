"""The time that is asked about, and what it is put together from.

A row belongs to the bucket of the time that is stored of it, which is cut to milliseconds; so the
edges of a span and of its buckets are cut to milliseconds too. What happened in the same
millisecond as an edge, before or after it, belongs to the bucket that begins there.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import pairwise

from sql.records import naive_utc
from sql.tallies import DAY, HOUR, hour_of

MOST_BUCKETS = 10_000
Range = tuple[datetime, datetime]  # naive, in UTC; the second is not part of it


@dataclass(frozen=True)
class Span:
    """The time asked about, from `since` up to but without `until`, and how finely it is cut.

    Both are aware, in any zone. Buckets are counted from `since`: whole days by the calendar of
    its zone, so that a day has 23 or 25 hours where the clock is changed; others by the time that
    passes. The last one may be cut short. ValueError for times without a zone, and buckets that
    are none or more than 10,000.
    """

    since: datetime
    until: datetime
    bucket: timedelta = timedelta(hours=1)

    def __post_init__(self) -> None:
        if self.since.tzinfo is None or self.until.tzinfo is None:
            raise ValueError(f"a span of times without a zone: {self.since} to {self.until}")
        if self.bucket <= timedelta(0) or self._length > MOST_BUCKETS * self.bucket:
            raise ValueError(f"{self._length} cannot be cut into buckets of {self.bucket}")

    @staticmethod
    def up_to(now: datetime, length: timedelta, bucket: timedelta) -> "Span":
        """The last `length` before now, and what is missing to a full bucket (or day of UTC, if
        that is shorter) before: whole hours and days are read from counts, and bars keep their
        places while time goes on.
        """
        step = min(bucket, DAY)
        since = now.astimezone(UTC) - length
        return Span(since - (since - datetime(1970, 1, 1, tzinfo=UTC)) % step, now, bucket)

    @property
    def _length(self) -> timedelta:
        return self.until.astimezone(UTC) - self.since.astimezone(UTC)

    @cached_property
    def starts(self) -> tuple[datetime, ...]:
        """Where each bucket begins, in the zone of `since`; the last one may be cut short."""
        found: list[datetime] = []
        while (start := self._start(len(found))).astimezone(UTC) < self.until.astimezone(UTC):
            found.append(start)
        return tuple(found)

    def _start(self, number: int) -> datetime:
        if not number:  # adding nothing would forget which of two hours of one name it is
            return self.since
        if self.bucket % DAY == timedelta(0):
            return self.since + number * self.bucket  # by the clock on the wall
        passed = self.since.astimezone(UTC) + number * self.bucket
        return passed.astimezone(self.since.tzinfo)

    @cached_property
    def edges(self) -> tuple[datetime, ...]:
        """Beginnings of the buckets and the end of the last, as stored times; () without any."""
        if not self.starts:
            return ()
        return (*(naive_utc(start) for start in self.starts), naive_utc(self.until))

    @property
    def whole(self) -> tuple[datetime, ...]:
        """The edges of the span taken as one bucket."""
        return (self.edges[0], self.edges[-1]) if self.edges else ()


def bucket_number(edges: Sequence[datetime], moment: datetime) -> int:
    """Which bucket a stored time within the edges lies in."""
    return bisect_right(edges, moment) - 1


@dataclass(frozen=True)
class Pieces:
    """Ranges that buckets are put together from.

    days, hours: whole ones that lie in one bucket, so that their counts can be used; rows: the
    rest, which is counted from the rows themselves.
    """

    days: tuple[Range, ...]
    hours: tuple[Range, ...]
    rows: tuple[Range, ...]


def pieces(edges: Sequence[datetime]) -> Pieces:
    """What the buckets between the edges are put together from."""
    days: list[Range] = []
    hours: list[Range] = []
    rows: list[Range] = []
    for since, until in pairwise(edges):
        first, last = _next_hour(since), hour_of(until)
        if first >= last:
            rows.append((since, until))
            continue
        rows += [(since, first), (last, until)]
        first_day, last_day = _next_day(first), last.replace(hour=0)
        if first_day >= last_day:
            hours.append((first, last))
            continue
        hours += [(first, first_day), (last_day, last)]
        days.append((first_day, last_day))
    return Pieces(_joined(days), _joined(hours), _joined(rows))


def _joined(ranges: Iterable[Range]) -> tuple[Range, ...]:
    """The same, where one that begins at the end of another goes on with it."""
    found: list[Range] = []
    for since, until in sorted(ranges):
        if since >= until:
            continue
        if found and found[-1][1] == since:
            found[-1] = (found[-1][0], until)
        else:
            found.append((since, until))
    return tuple(found)


def _next_hour(moment: datetime) -> datetime:
    hour = hour_of(moment)
    return hour if hour == moment else hour + HOUR


def _next_day(hour: datetime) -> datetime:
    day = hour.replace(hour=0)
    return day if day == hour else day + DAY
