"""What a span is put together from: each moment of it once, in the bucket it belongs to."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from sql import Span
from sql.analytics.span import bucket_number, pieces
from sql.records import naive_utc
from tests.random_log import SPANS, buckets

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize("span", SPANS.values(), ids=SPANS)
def test_pieces_cover_each_bucket_once_and_cross_no_edge(span: Span) -> None:
    cut = pieces(span.edges)
    ranges = sorted([*cut.days, *cut.hours, *cut.rows])
    assert (ranges[0][0], ranges[-1][1]) == (naive_utc(span.since), naive_utc(span.until))
    assert all(first[1] == second[0] for first, second in pairwise(ranges))
    edges = set(span.edges)
    for unit, found in ((HOUR, cut.hours), (DAY, cut.days)):
        for since, until in found:
            steps = range((until - since) // unit)
            assert since + len(steps) * unit == until
            midnight = since.replace(hour=0, minute=0, second=0, microsecond=0)
            assert (since - midnight) % unit == timedelta(0)
            within = {edge for edge in edges if since < edge < until}
            assert within <= {since + step * unit for step in steps}


@pytest.mark.parametrize("span", SPANS.values(), ids=SPANS)
def test_buckets_begin_where_the_calendar_says(span: Span) -> None:
    assert list(span.starts) == [since for since, _ in buckets(span)]


def test_a_day_has_23_or_25_hours_where_the_clock_is_changed() -> None:
    for day, hours in ((datetime(2026, 3, 29), 23), (datetime(2026, 10, 25), 25)):
        span = Span(day.replace(tzinfo=BERLIN), day.replace(tzinfo=BERLIN) + 2 * DAY, DAY)
        assert span.edges[1] - span.edges[0] == hours * HOUR
        assert span.edges[2] - span.edges[1] == 24 * HOUR


def test_hours_pass_at_their_own_pace_where_the_clock_is_changed() -> None:
    since = datetime(2026, 10, 25, 0, tzinfo=BERLIN)
    span = Span(since, since + timedelta(hours=4), HOUR)  # by the clock; five have passed
    assert [second - first for first, second in pairwise(span.edges)] == [HOUR] * 5
    assert [start.hour for start in span.starts] == [0, 1, 2, 2, 3]


def test_the_second_of_two_hours_with_one_name_is_a_beginning_of_its_own() -> None:
    second = datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN, fold=1)
    span = Span(second, second + DAY, DAY)
    assert span.edges[0] == datetime(2026, 10, 25, 1, 30)


def test_what_happens_in_the_millisecond_of_an_edge_belongs_to_what_begins_there() -> None:
    since = datetime(2026, 1, 1, microsecond=1500, tzinfo=UTC)
    span = Span(since, since + timedelta(seconds=2), timedelta(seconds=1))
    for moment, bucket in (
        (since - timedelta(microseconds=400), 0),  # stored as of the same millisecond
        (since, 0),
        (since + timedelta(microseconds=999_499), 0),
        (since + timedelta(microseconds=999_501), 1),
    ):
        assert bucket_number(span.edges, naive_utc(moment)) == bucket, moment


def test_a_span_up_to_now_begins_at_a_full_bucket_or_day() -> None:
    now = datetime(2026, 3, 31, 13, 37, 21, 7, tzinfo=UTC)
    span = Span.up_to(now, timedelta(hours=24), HOUR)
    assert (span.since, span.until) == (datetime(2026, 3, 30, 13, tzinfo=UTC), now)
    span = Span.up_to(now, timedelta(days=90), timedelta(days=7))
    assert span.since == datetime(2025, 12, 31, tzinfo=UTC)
    assert not [each for each in pieces(span.edges).rows if each[1] - each[0] >= HOUR]


def test_spans_that_cannot_be_are_refused() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    with pytest.raises(ValueError, match="without a zone"):
        Span(now.replace(tzinfo=None), now)
    with pytest.raises(ValueError, match="buckets"):
        Span(now, now + DAY, timedelta(0))
    with pytest.raises(ValueError, match="buckets"):
        Span(now, now + 100 * DAY, timedelta(seconds=1))
    assert Span(now, now).starts == ()
    assert Span(now, now - DAY).edges == ()
