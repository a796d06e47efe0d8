"""The time that a page of figures is about: picked on it, and in its URL, so that a link shows the
same.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

import streamlit as st

from sql import Span

RANGES = {
    "15 minutes": (timedelta(minutes=15), timedelta(minutes=1)),
    "1 hour": (timedelta(hours=1), timedelta(minutes=2)),
    "24 hours": (timedelta(hours=24), timedelta(hours=1)),
    "7 days": (timedelta(days=7), timedelta(hours=4)),
    "30 days": (timedelta(days=30), timedelta(days=1)),
    "90 days": (timedelta(days=90), timedelta(days=7)),
}
DEFAULT_RANGE, CUSTOM = "1 hour", "custom"
MOST_BUCKETS = 60
# The last one is for whatever is longer: a log of a century has 5,200 of its buckets.
BUCKETS = (timedelta(hours=1), timedelta(hours=4), timedelta(days=1), timedelta(days=7))
EARLIEST = date(2000, 1, 1)


@dataclass(frozen=True)
class TimeRange:
    """What was picked: a name of RANGES, up to now; or CUSTOM, from the one day to the other in
    UTC, both of them in it, in any order.
    """

    name: str
    one: date = EARLIEST
    other: date = EARLIEST

    def span(self, now: datetime | None = None) -> Span:
        """That time, cut into its buckets, which begin at full minutes, hours or days."""
        # What was logged this moment is in it.
        end = (now or datetime.now(UTC)) + timedelta(seconds=1)
        if self.name != CUSTOM:
            length, bucket = RANGES[self.name]
            return Span.up_to(end, length, bucket)
        since = _midnight(min(self.one, self.other))
        until = min(_midnight(max(self.one, self.other)) + timedelta(days=1), end)
        fitting = (each for each in BUCKETS if until - since <= MOST_BUCKETS * each)
        return Span(since, max(since, until), next(fitting, BUCKETS[-1]))


def chosen_range() -> TimeRange:
    """The one picked on the page. What makes no sense in the URL is as if it were not there."""
    name = st.segmented_control(
        "Time range",
        [*RANGES, CUSTOM],
        default=DEFAULT_RANGE,
        required=True,
        key="range",
        bind="query-params",
        wrap=True,
    )
    if name != CUSTOM:
        return TimeRange(name or DEFAULT_RANGE)
    today = datetime.now(UTC).date()
    days = [_day(label, key, today) for label, key in (("From", "from"), ("To", "to"))]
    return TimeRange(CUSTOM, *days)


def _day(label: str, key: str, today: date) -> date:
    """Today where none is picked: a day that stood there by itself would be missing in the URL, and
    a link would mean another day tomorrow.
    """
    found = st.date_input(
        f"{label} (UTC; empty: today)",
        None,
        min_value=EARLIEST,
        max_value=today,
        key=key,
        bind="query-params",
        format="YYYY-MM-DD",
        width=200,
    )
    return found if isinstance(found, date) else today


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
