"""An image that is explained is not diagnosed once more: in no figure, old or new."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa
from pydantic_core import from_json, to_json

from sql import Entry, FeedbackRecord, Span, analytics, downgrade, migrate, rebuild_counts
from sql.analytics import Only
from sql.pruning import prune
from sql.records import naive_utc, rows_of
from sql.rollups import settle
from sql.schema import hourly, predictions
from sql.storing import store, store_entries
from tests.log_entries import HOUR, MINUTE, NOON, counts, entry

DAY = timedelta(days=1)
LATER = naive_utc(NOON + 9 * DAY)
WHOLE = Span(NOON - HOUR, NOON + 2 * DAY, HOUR)  # read from hourly counts
PART = Span(NOON + MINUTE, NOON + 50 * MINUTE, 10 * MINUTE)  # read from rows


def plain(number: int, minutes: float, class_name: str, confidence: float = 0.9) -> Entry:
    """A diagnosis, as /predict logs it."""
    made = entry(number, NOON + minutes * MINUTE)
    assert made.request is not None
    (image,) = made.predictions
    said = replace(image, class_name=class_name, confidence=confidence, lane="production")
    return Entry(request=made.request, predictions=(said,))


def explained(number: int, minutes: float, class_name: str, confidence: float = 0.9) -> Entry:
    """An explanation, as /explain has always logged it."""
    made = plain(number, minutes, class_name, confidence)
    assert made.request is not None
    return replace(made, request=replace(made.request, endpoint="/explain"))


DIAGNOSED = [
    *(plain(n, 3 + n, "rust") for n in range(5)),
    *(plain(10 + n, 4 + n, "scab", 0.31) for n in range(2)),
    plain(20, 60 * 30, "scab", 0.5),
]
EXPLAINED = [
    *(explained(100 + n, 4 + n, "rust") for n in range(3)),
    explained(110, 5, "only explained", 0.97),
    *(explained(120 + n, 60 * 30 + n, "scab", 0.5) for n in range(4)),
]


def classes(engine: sa.Engine, span: Span, only: Only | None = None) -> dict[str, int]:
    found = analytics.disease_frequency(engine, span, only or Only())
    return {row.class_name: row.count for row in found}


def assert_only_diagnoses(engine: sa.Engine) -> None:
    for only in (Only(), Only(user="ada"), Only(source="10.0.0.1"), Only(version=1)):
        assert classes(engine, WHOLE, only) == {"rust": 5, "scab": 3}
        assert classes(engine, PART, only) == {"rust": 5, "scab": 2}
        bars = Counter[str]()
        for row in analytics.diseases_over_time(engine, WHOLE, only):
            bars[row.class_name] += row.count
        assert bars == {"rust": 5, "scab": 3}
        for span, leaves in ((WHOLE, 8), (PART, 7)):
            assert analytics.confidence_distribution(engine, span, only).answers == leaves
            answers = [row.answers for row in analytics.unknown_over_time(engine, span, only)]
            assert sum(answers) == leaves
    moved = analytics.reference_of(engine, WHOLE)
    assert (moved.samples, sum(moved.confidences)) == (8, 8)
    assert analytics.confidence_distribution(engine, WHOLE).mean == pytest.approx(
        (5 * 0.9 + 2 * 0.31 + 0.5) / 8
    )


def nothing(engine: sa.Engine) -> None:
    """Leave the counts as they came in."""


@pytest.mark.parametrize(
    "change",
    [nothing, lambda engine: settle(engine, LATER), rebuild_counts],
    ids=["as they came", "settled", "made anew"],
)
def test_explanations_are_in_the_traffic_and_in_no_figure_of_diagnoses(
    database: sa.Engine, change: Callable[[sa.Engine], object]
) -> None:
    store_entries(database, [*DIAGNOSED, *EXPLAINED])
    change(database)
    assert_only_diagnoses(database)
    total = analytics.summary(database, WHOLE)
    assert (total.requests, total.images) == (16, 16)
    of = analytics.Member("endpoint", "/explain")
    assert analytics.summary(database, WHOLE, of).requests == 8
    assert analytics.summary(database, WHOLE, of).p50_ms == pytest.approx(3.5, rel=0.03)


def test_an_entry_that_an_older_process_left_in_its_outbox_is_told_apart(
    database: sa.Engine,
) -> None:
    left = []
    for each in [*DIAGNOSED, *EXPLAINED]:
        body = from_json(each.as_json())
        for table, added in (("requests", "client"), ("predictions", "explanation")):
            for row in body[table]:
                del row[added]
        left.append(rows_of(to_json(body).decode()))
    store(database, left)
    assert_only_diagnoses(database)


def test_rows_of_a_process_of_the_version_before_are_told_apart_when_counted_anew(
    database: sa.Engine,
) -> None:
    store_entries(database, [*DIAGNOSED, *EXPLAINED])
    with database.begin() as connection:  # it knows no such column
        connection.execute(predictions.update().values(explanation=False))
    rebuild_counts(database)
    assert_only_diagnoses(database)
    listed = analytics.recent_requests(database)
    assert all((row.class_name is None) == (row.endpoint == "/explain") for row in listed)


def test_the_list_of_requests_names_no_class_for_an_explanation(database: sa.Engine) -> None:
    store_entries(database, [DIAGNOSED[0], EXPLAINED[0]])
    told = {row.endpoint: row.class_name for row in analytics.recent_requests(database)}
    assert told == {"/predict": "rust", "/explain": None}
    (image,) = analytics.one_request(database, "00000100").predictions  # type: ignore[union-attr]
    assert (image.class_name, image.explanation) == ("rust", True)


def test_a_correction_of_an_explanation_is_held_against_what_it_said(database: sa.Engine) -> None:
    said = FeedbackRecord(
        id="said", at_utc=NOON + 20 * MINUTE, prediction_id="00000100", true_class="scab"
    )
    store_entries(database, [*EXPLAINED, Entry(feedback=said)])
    found = analytics.feedback_accuracy(database, WHOLE)
    assert [(row.told, row.true, row.count) for row in found.confusion] == [("rust", "scab", 1)]


@pytest.mark.parametrize("settled", [False, True])
@pytest.mark.parametrize("pruned", [False, True])
def test_what_is_counted_already_is_put_right_by_the_migration(
    database: sa.Engine, settled: bool, pruned: bool
) -> None:
    store_entries(database, [*DIAGNOSED, *EXPLAINED])
    downgrade(database, "0007")  # counts them together, as they were counted then
    if settled:
        settle(database, LATER)
    with database.connect() as connection:
        query = sa.select(sa.func.sum(hourly.c.answered))
        both = query.where(hourly.c.dimension.in_(("class", "class/h")))
        assert connection.scalar(both) == len(DIAGNOSED) + len(EXPLAINED)
        assert not connection.scalar(query.where(hourly.c.dimension.like("client%")))
    if pruned:
        with database.begin() as connection:
            for table in ("predictions", "requests"):
                old = sa.text(f"DELETE FROM {table} WHERE at_utc < :until")
                connection.execute(old, {"until": naive_utc(NOON + HOUR)})
    migrate(database)
    if pruned:  # which of those were explanations is known to nobody
        assert classes(database, WHOLE) == {"rust": 8, "scab": 3, "only explained": 1}
    else:
        assert_only_diagnoses(database)
    assert analytics.clients(database, WHOLE) == ()
    (nobody,) = analytics.traffic_by(database, WHOLE, "client").rows
    total = analytics.summary(database, WHOLE)
    assert (nobody.name, nobody.requests, nobody.images) == ("", 16, total.images)
    assert (nobody.p50_ms, nobody.p99_ms) == (total.p50_ms, total.p99_ms)


def test_going_back_and_forth_leaves_the_counts_as_they_were(database: sa.Engine) -> None:
    store_entries(database, [*DIAGNOSED, *EXPLAINED])
    before = {key: count for key, count in counts(database).items() if count}
    for _ in range(2):
        downgrade(database, "0007")
        migrate(database)
        assert {key: count for key, count in counts(database).items() if count} == before


def test_pruning_takes_explanations_like_everything_else(database: sa.Engine) -> None:
    store_entries(database, [*DIAGNOSED, *EXPLAINED])
    prune(database, NOON + DAY)
    assert classes(database, WHOLE) == {"rust": 5, "scab": 3}
    with database.connect() as connection:
        left = connection.execute(sa.select(predictions)).all()
    assert sum(not row.explanation for row in left) == 1
    assert len(left) == 5
