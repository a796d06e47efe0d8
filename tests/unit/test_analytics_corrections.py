"""Feedback against what was told: the newest counts, by class, by version, and shadows apart."""

import math
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pytest
import sqlalchemy as sa

from leafgate.metrics.statistics import wilson
from sql import Entry, FeedbackRecord, PredictionRecord, analytics
from sql.records import naive_utc
from sql.schema import feedback
from sql.storing import store_entries
from tests.random_log import (
    SPANS,
    random_entries,
    store_out_of_order,
    stored,
    told_of,
)

ENTRIES = random_entries()
CLASSES = ("rust", "scab", "fäule", "mould")


def random_feedback() -> list[FeedbackRecord]:
    """On a third of the images, some of them several times, not in the order of time."""
    rng = np.random.default_rng(5)
    images = [image for entry in ENTRIES for image in entry.predictions]
    chosen = [images[number] for number in rng.integers(0, len(images), len(images) // 3)]
    found = []
    for number, image in enumerate(chosen):
        later = timedelta(minutes=int(rng.choice([0, 5, 5, 3000])))
        found.append(
            FeedbackRecord(
                id=f"{rng.integers(1 << 40):012x}-{number}",
                at_utc=image.at_utc + later,
                prediction_id=image.id,
                true_class=str(rng.choice(CLASSES)),
            )
        )
    return found


FEEDBACK = random_feedback()


@pytest.fixture
def log(database: sa.Engine) -> sa.Engine:
    order = np.random.default_rng(6).permutation(len(FEEDBACK))
    said = [Entry(feedback=FEEDBACK[number]) for number in order]
    store_entries(database, said[: len(said) // 3])  # another process's answers come later
    store_out_of_order(database, ENTRIES)
    store_entries(database, said)
    store_entries(database, [Entry(feedback=FEEDBACK[0])])  # once more
    return database


def newest() -> dict[str, str]:
    """What each image shows, by the feedback that came last."""
    in_order = sorted(FEEDBACK, key=lambda each: (stored(each.at_utc), each.id))
    return {each.prediction_id: each.true_class for each in in_order}


def pairs_of(
    rows: list[PredictionRecord], name_of: Callable[[PredictionRecord, str], str]
) -> dict[str, tuple[int, int]]:
    """Answers and right ones by some name."""
    truth, found = newest(), defaultdict[str, list[bool]](list)
    for row in rows:
        if row.id in truth:
            found[name_of(row, truth[row.id])].append(row.class_name == truth[row.id])
    return {name: (len(flags), sum(flags)) for name, flags in found.items()}


def test_what_was_told_is_noted_beside_feedback_where_it_is_known(log: sa.Engine) -> None:
    told = {image.id: image for entry in ENTRIES for image in entry.predictions}
    with log.connect() as connection:
        rows = connection.execute(sa.select(feedback)).all()
    noted = [row for row in rows if row.told_class is not None]
    assert len(FEEDBACK) // 3 < len(noted) < len(FEEDBACK)
    for row in noted:
        answer = told[row.prediction_id]
        assert (row.told_class, row.model_version) == (answer.class_name, answer.model_version)
        assert row.told_at_utc == naive_utc(answer.at_utc)


def test_answers_are_held_against_the_newest_feedback(log: sa.Engine) -> None:
    truth = newest()
    assert len(truth) < len(FEEDBACK)
    for name, span in SPANS.items():
        rows = told_of(ENTRIES, span.since, span.until)
        found = analytics.feedback_accuracy(log, span)
        for scores, name_of in (
            (found.by_told, lambda row, _: str(row.class_name)),
            (found.by_true, lambda _, true: true),
            (found.by_version, lambda row, _: f"leaf {row.model_version}"),
            ((found.all,) if found.all else (), lambda _row, _true: ""),
        ):
            wanted = pairs_of(rows, name_of)
            got = {score.name: (score.answers, score.right) for score in scores if score}
            assert got == wanted, name
        cells = Counter((str(row.class_name), truth[row.id]) for row in rows if row.id in truth)
        assert {(each.told, each.true): each.count for each in found.confusion} == cells


def test_scores_come_with_their_interval_and_the_most_answers_first(log: sa.Engine) -> None:
    found = analytics.feedback_accuracy(log, SPANS["whole hours"])
    counts = [score.answers for score in found.by_told]
    assert counts == sorted(counts, reverse=True)
    for score in (*found.by_told, *found.by_version):
        assert score.share == wilson(score.right, score.answers)
        assert score.share.low < score.share.value < score.share.high


def test_feedback_of_the_same_moment_is_told_apart_by_its_id(log: sa.Engine) -> None:
    image = next(
        row
        for entry in ENTRIES
        for row in entry.predictions
        if row.class_name and row.lane != "shadow"
    )
    far = image.at_utc + timedelta(days=30)
    for letter, said in (("z", "mould"), ("y", "rust")):
        record = FeedbackRecord(id=letter, at_utc=far, prediction_id=image.id, true_class=said)
        store_entries(log, [Entry(feedback=record)])
    second = timedelta(seconds=1)
    span = analytics.Span(image.at_utc, image.at_utc + second, second)
    found = analytics.feedback_accuracy(log, span)
    assert [(each.told, each.true) for each in found.confusion] == [(image.class_name, "mould")]


def test_what_shadows_said_is_held_against_feedback_on_the_answer_beside_them(
    database: sa.Engine,
) -> None:
    entry = next(each for each in ENTRIES if len(each.predictions) == 2)
    assert entry.request is not None
    first, second = entry.predictions
    answers = [
        _told(first, "a", "production", "rust", 0),
        _told(second, "b", "canary", "scab", 1),
        _told(first, "c", "shadow", "scab", 0),
        _told(second, "d", "shadow", "scab", 1),
    ]
    store_entries(database, [Entry(request=entry.request, predictions=tuple(answers))])
    for number, of in enumerate(answers[:2]):
        record = FeedbackRecord(
            id=str(number), at_utc=of.at_utc, prediction_id=of.id, true_class="scab"
        )
        store_entries(database, [Entry(feedback=record)])
    span = SPANS["whole hours"]
    told = analytics.feedback_accuracy(database, span).all
    beside = analytics.feedback_accuracy(database, span, shadows=True).all
    assert told is not None
    assert beside is not None
    assert (told.answers, told.right) == (2, 1)
    assert (beside.answers, beside.right) == (2, 2)


def _told(
    image: PredictionRecord, name: str, lane: str, class_name: str, position: int
) -> PredictionRecord:
    return replace(image, id=name, lane=lane, class_name=class_name, position=position)


def test_without_feedback_there_is_no_score(database: sa.Engine) -> None:
    store_entries(database, ENTRIES[:20])
    nothing = analytics.FeedbackAccuracy(None, (), (), (), ())
    assert analytics.feedback_accuracy(database, SPANS["whole hours"]) == nothing
    empty = analytics.Span(datetime.fromisoformat("2026-01-01T00Z"), SPANS["minutes"].since)
    assert analytics.feedback_accuracy(database, empty) == nothing
    assert math.isnan(wilson(0, 0).value)
