"""Every figure of the traffic against rows counted one by one, on each database."""

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import product

import numpy as np
import pytest
import sqlalchemy as sa

from sql import Entry, analytics
from sql.analytics import Member
from sql.schema import requests
from sql.storing import store_entries
from tests.databases import one_module
from tests.random_log import (
    SPANS,
    assert_percentiles,
    buckets,
    counts_of,
    random_entries,
    requests_of,
    store_out_of_order,
)

ENTRIES = random_entries()
FIELDS: dict[analytics.Dimension, str] = {
    "endpoint": "endpoint",
    "user": "user_name",
    "source": "source",
}


@pytest.fixture(scope=one_module)
def log(lasting_database: sa.Engine) -> sa.Engine:
    store_out_of_order(lasting_database, ENTRIES)
    return lasting_database


def test_totals(log: sa.Engine) -> None:
    for name, span in SPANS.items():
        total = analytics.summary(log, span)
        rows = requests_of(ENTRIES, span.since, span.until)
        found = (total.requests, total.refused, total.failed, total.images)
        assert found == counts_of(rows), name
        assert total.users == len({row.user_name for row in rows if row.user_name})
        assert total.error_rate == (total.failed / total.requests if rows else 0)
        assert_percentiles(total, [row.latency_ms for row in rows])


def test_volume_has_every_bucket_and_each_row_in_one_of_them(log: sa.Engine) -> None:
    for name, span in SPANS.items():
        found = analytics.volume(log, span)
        assert [row.at for row in found] == [start for start, _ in buckets(span)]
        for row, (since, until) in zip(found, buckets(span), strict=True):
            total, refused, failed, _ = counts_of(requests_of(ENTRIES, since, until))
            counted = (total - refused - failed, refused, failed)
            assert (row.answered, row.refused, row.failed) == counted, (name, since)
        total = sum(row.answered + row.refused + row.failed for row in found)
        assert total == len(requests_of(ENTRIES, span.since, span.until))


MEMBERS: tuple[tuple[Member | None, dict[str, object]], ...] = (
    (None, {}),
    (Member("endpoint", "/predict"), {"endpoint": "/predict"}),
    (Member("user", "müller"), {"user_name": "müller"}),
    (Member("user", ""), {"user_name": ""}),
    (Member("source", "10.0.0.3"), {"source": "10.0.0.3"}),
    (Member("version", "leaf 2"), {"model_version": 2}),
    (Member("batch", "3"), {"images": 3}),
)


def test_totals_and_volume_of_one_member_are_those_of_its_requests(log: sa.Engine) -> None:
    for (of, fields), (name, span) in product(MEMBERS[1:], SPANS.items()):
        total = analytics.summary(log, span, of)
        rows = requests_of(ENTRIES, span.since, span.until, **fields)
        found = (total.requests, total.refused, total.failed, total.images)
        assert found == counts_of(rows), (of, name)
        assert_percentiles(total, [row.latency_ms for row in rows])
        assert total.users is None
        for volume, (since, until) in zip(
            analytics.volume(log, span, of), buckets(span), strict=True
        ):
            requests_, refused, failed, _ = counts_of(requests_of(ENTRIES, since, until, **fields))
            counted = (requests_ - refused - failed, refused, failed)
            assert (volume.at, volume.answered, volume.refused, volume.failed) == (since, *counted)


def test_latency_percentiles_are_those_of_all_requests_in_the_bucket(log: sa.Engine) -> None:
    for (of, fields), (name, span) in product(MEMBERS, SPANS.items()):
        wanted = {
            since: rows
            for since, until in buckets(span)
            if (rows := requests_of(ENTRIES, since, until, **fields))
        }
        found = analytics.latency(log, span, of)
        assert [row.at for row in found] == list(wanted), (of, name)
        for row in found:
            assert row.requests == len(wanted[row.at])
            assert_percentiles(row, [each.latency_ms for each in wanted[row.at]])


def test_traffic_of_each_member(log: sa.Engine) -> None:
    for (dimension, field), span in product(FIELDS.items(), SPANS.values()):
        found = analytics.traffic_by(log, span, dimension)
        everything = requests_of(ENTRIES, span.since, span.until)
        assert {row.name for row in found.rows} == {getattr(row, field) or "" for row in everything}
        assert found.left_out == 0
        for row in found.rows:
            rows = requests_of(ENTRIES, span.since, span.until, **{field: row.name})
            assert (row.requests, row.refused, row.failed, row.images) == counts_of(rows)
            assert_percentiles(row, [each.latency_ms for each in rows])


def test_the_busiest_members_come_first_and_the_others_are_counted(log: sa.Engine) -> None:
    span = SPANS["odd microseconds"]
    everything = analytics.traffic_by(log, span, "source")
    some = analytics.traffic_by(log, span, "source", limit=2)
    assert some.rows == everything.rows[:2]
    assert some.left_out == len(everything.rows) - 2 > 0
    counts = [row.requests for row in everything.rows]
    assert counts == sorted(counts, reverse=True)
    with pytest.raises(ValueError, match="limit of 0"):
        analytics.traffic_by(log, span, "source", limit=0)


def test_versions_and_batch_sizes_are_members_too(log: sa.Engine) -> None:
    span = SPANS["days of Kolkata"]
    rows = requests_of(ENTRIES, span.since, span.until)
    versions = analytics.traffic_by(log, span, "version").rows
    assert {row.name: row.requests for row in versions} == {
        f"leaf {number}": sum(row.model_version == number for row in rows) for number in (1, 2, 3)
    }
    sizes = analytics.batch_sizes(log, span)
    sent = [row.images for row in rows if row.images and row.endpoint != "/generate"]
    assert [row.name for row in sizes] == ["1", "2", "3", "10"]  # by size, not by letter
    assert [row.requests for row in sizes] == [sent.count(size) for size in (1, 2, 3, 10)]


def test_members_are_listed_by_name(log: sa.Engine) -> None:
    for span in SPANS.values():
        rows = requests_of(ENTRIES, span.since, span.until)
        for listed, field in (
            (analytics.endpoints, "endpoint"),
            (analytics.users, "user_name"),
            (analytics.sources, "source"),
        ):
            names = {getattr(row, field) for row in rows} - {None}
            assert listed(log, span) == tuple(sorted(names))


def test_versions_were_seen_from_their_first_request_to_their_last(log: sa.Engine) -> None:
    for name, span in SPANS.items():
        found = {row.version: row for row in analytics.versions_seen(log, span)}
        for version in (1, 2, 3):
            rows = requests_of(ENTRIES, span.since, span.until, model_version=version)
            if not rows:
                assert version not in found
                continue
            moments = [cut(row.at_utc) for row in rows]
            seen = found[version]
            assert (seen.first, seen.last) == (min(moments), max(moments)), name
            assert (seen.model_name, seen.requests) == ("leaf", len(rows))


def test_versions_over_time_are_counted_bucket_by_bucket(log: sa.Engine) -> None:
    for name, span in SPANS.items():
        wanted = [
            (since, "leaf", version, len(rows))
            for since, until in buckets(span)
            for version in (1, 2, 3)
            if (rows := requests_of(ENTRIES, since, until, model_version=version))
        ]
        found = analytics.versions_over_time(log, span)
        counted = [(row.at, row.model_name, row.version, row.requests) for row in found]
        assert counted == wanted, name


def cut(moment: datetime) -> datetime:
    """As it is stored."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def test_versions_whose_requests_were_pruned_were_seen_to_the_hour(database: sa.Engine) -> None:
    store_out_of_order(database, ENTRIES)
    span, hour = SPANS["whole hours"], timedelta(hours=1)
    before = {row.version: row for row in analytics.versions_seen(database, span)}
    for pruned in (span.since + timedelta(days=1), span.until):
        with database.begin() as connection:
            old = requests.c.at_utc < pruned.replace(tzinfo=None)
            connection.execute(requests.delete().where(old))
        for row in analytics.versions_seen(database, span):
            exact = before[row.version]
            assert row.requests == exact.requests
            assert row.first == exact.first.replace(minute=0, second=0, microsecond=0)
            assert row.last == exact.last or (
                pruned == span.until and timedelta(0) <= exact.last - row.last < hour
            )


def test_the_newest_requests_come_first_with_what_was_told(log: sa.Engine) -> None:
    everything = sorted(
        (entry for entry in ENTRIES if entry.request),
        key=lambda entry: (cut(entry.request.at_utc), entry.request.id),  # type: ignore[union-attr]
        reverse=True,
    )
    found = list(analytics.recent_requests(log, 60))
    while len(found) < len(everything):
        found += analytics.recent_requests(log, 60, before=found[-1])
    assert analytics.recent_requests(log, 60, before=found[-1]) == ()
    assert [row.id for row in found] == [entry.request.id for entry in everything if entry.request]
    for row, entry in zip(found, everything, strict=True):
        alone = entry.predictions[0] if len(entry.predictions) == 1 else None
        assert (row.class_name, row.confidence) == (
            (alone.class_name, alone.confidence) if alone else (None, None)
        )
        assert entry.request is not None
        assert row.at == cut(entry.request.at_utc)


def test_requests_of_the_same_moment_are_paged_without_loss(database: sa.Engine) -> None:
    same = [_at_once(entry) for entry in ENTRIES[:25]]
    store_entries(database, same)
    pages = [analytics.recent_requests(database, 10)]
    for _ in range(3):
        pages.append(analytics.recent_requests(database, 10, before=pages[-1][-1]))
    assert pages.pop() == ()
    ids = [row.id for page in pages for row in page]
    assert ids == sorted((entry.request.id for entry in same if entry.request), reverse=True)


def _at_once(entry: Entry) -> Entry:
    assert entry.request is not None
    return Entry(request=replace(entry.request, at_utc=SPANS["minutes"].since))


def test_a_time_without_requests_has_no_figures(log: sa.Engine) -> None:
    empty = SPANS["nothing in it"]
    total = analytics.summary(log, empty)
    assert (total.requests, total.users, total.error_rate) == (0, 0, 0)
    assert np.isnan(total.p99_ms)
    assert [row.answered for row in analytics.volume(log, empty)] == [0, 0, 0, 0]
    assert analytics.latency(log, empty) == ()
    assert analytics.versions_seen(log, empty) == ()
    assert analytics.traffic_by(log, empty, "user") == analytics.Members((), 0)
