"""Where a version changed: a line in the charts, for deployments and roll-backs alone."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from dashboard.version_changes import Change, version_changes
from sql.analytics import Seen, VersionVolume

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
BUCKET = timedelta(minutes=10)


def changes(*buckets: dict[int, int], model: str = "leaf") -> tuple[Change, ...]:
    """Of buckets with so many requests by each version, the first of each in the middle."""
    return version_changes(*seen_in(buckets, model))


def seen_in(
    buckets: Sequence[dict[int, int]], model: str
) -> tuple[list[Seen], list[VersionVolume]]:
    volumes = [
        VersionVolume(NOON + number * BUCKET, model, version, count)
        for number, counts in enumerate(buckets)
        for version, count in sorted(counts.items())
    ]
    seen = []
    for version in {each.version for each in volumes}:
        own = [each for each in volumes if each.version == version]
        total, half = sum(each.requests for each in own), BUCKET / 2
        seen.append(Seen(model, version, total, own[0].at + half, own[-1].at + half))
    return seen, volumes


def test_a_new_version_changes_when_it_first_answers() -> None:
    (change,) = changes({1: 5}, {1: 5, 2: 1}, {2: 6})
    assert (change.version, change.at) == (2, NOON + 1.5 * BUCKET)
    assert change.label == "v2"
    assert change.sentence == "leaf version 2 first answers at 2026-03-01 12:15 UTC"


def test_the_version_that_answers_all_the_time_is_no_change() -> None:
    assert changes({1: 5}, {}, {1: 2}) == ()
    assert changes() == ()


def test_one_request_before_is_enough_where_the_old_version_is_gone() -> None:
    assert [change.version for change in changes({1: 1}, {2: 1})] == [2]


def test_a_roll_back_is_a_change_to_a_version_that_answered_before() -> None:
    new, back = changes({1: 50}, {1: 50}, {2: 40}, {2: 9, 1: 30}, {1: 50})
    assert (new.version, new.again) == (2, False)
    assert (back.version, back.again, back.at) == (1, True, NOON + 4 * BUCKET)
    assert back.label == "v1 takes over"


def test_versions_that_share_the_requests_all_the_time_are_no_change() -> None:
    """The smaller one begins later and is missing here and there, as chance has it."""
    shared = [{1: 8}, {1: 7, 2: 2}, {1: 9}, {2: 1}, {1: 6, 2: 2}, {1: 9}]
    assert changes(*shared) == ()


def test_a_canary_is_a_change_when_it_begins_and_when_it_takes_over() -> None:
    before, canary, after = [{1: 90}] * 5, [{1: 90, 2: 10}] * 5, [{2: 100}] * 3
    begins, takes_over = changes(*before, *canary, *after)
    assert (begins.label, begins.at) == ("v2", NOON + 5.5 * BUCKET)
    assert (takes_over.label, takes_over.at) == ("v2 takes over", NOON + 10 * BUCKET)


def test_changes_name_their_model_where_several_changed() -> None:
    of_leaf = seen_in(({1: 3}, {2: 3}), "leaf")
    of_other = seen_in(({5: 3}, {5: 1}, {6: 3}), "generator")
    found = version_changes(of_leaf[0] + of_other[0], of_leaf[1] + of_other[1])
    assert [change.label for change in found] == ["leaf v2", "generator v6"]
