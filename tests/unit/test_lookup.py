"""What is found under the id that a caller has."""

from dataclasses import replace
from datetime import UTC, timedelta

import pytest
import sqlalchemy as sa

from sql import Entry, FeedbackRecord, GenerationRecord, analytics, find_answer
from sql.storing import store_entries
from tests.random_log import START, random_entries

ENTRIES = random_entries(60)
BATCH = next(each for each in ENTRIES if len(each.predictions) == 3)
assert BATCH.request is not None
SHADOW = replace(BATCH.predictions[1], id="shadow", lane="shadow")
MADE = GenerationRecord(id="made", at_utc=START, seed=7, made=4, output_sha256="f" * 64)
SAID = [
    FeedbackRecord(
        id=f"said-{number}",
        at_utc=START + timedelta(minutes=number),
        prediction_id=BATCH.predictions[2].id,
        true_class="rust",
    )
    for number in (2, 1)
]


@pytest.fixture
def log(database: sa.Engine) -> sa.Engine:
    others = [Entry(predictions=(SHADOW,)), *(Entry(feedback=each) for each in SAID)]
    made = replace(BATCH.request, id="made") if BATCH.request else None
    store_entries(database, [*ENTRIES, *others, Entry(request=made, generation=MADE)])
    return database


def test_a_request_is_found_with_all_that_belongs_to_it(log: sa.Engine) -> None:
    assert BATCH.request is not None
    for identifier in (BATCH.request.id, BATCH.predictions[1].id, "shadow"):
        found = analytics.one_request(log, identifier)
        assert found is not None
        assert found.request is not None
        assert found.request.id == BATCH.request.id
        assert found.request.at_utc.tzinfo is UTC
        answers = sorted(BATCH.predictions, key=lambda row: (row.lane == "shadow", row.position))
        ids = [row.id for row in answers]
        told = [row.id for row in found.predictions]
        assert sorted(told) == sorted([*ids, "shadow"])
        lanes = [row.lane == "shadow" for row in found.predictions]
        assert lanes == sorted(lanes)
        assert [each.id for each in found.feedback] == ["said-1", "said-2"]
        assert found.generation is None


def test_pictures_made_are_found_with_their_request(log: sa.Engine) -> None:
    found = analytics.one_request(log, "made")
    assert found is not None
    assert found.generation == replace(MADE, at_utc=START)
    assert found.predictions == ()


def test_an_answer_is_that_of_the_image_then_of_the_generator_then_the_request(
    log: sa.Engine,
) -> None:
    image = find_answer(log, BATCH.predictions[0].id)
    assert type(image) is type(BATCH.predictions[0])
    assert find_answer(log, "made") == MADE
    assert BATCH.request is not None
    answer = find_answer(log, BATCH.request.id)
    assert type(answer) is type(BATCH.request)


def test_an_id_of_nothing_finds_nothing(log: sa.Engine) -> None:
    assert analytics.one_request(log, "nobody") is None
    assert find_answer(log, "nobody") is None


def test_parts_that_outlive_their_request_are_still_found(database: sa.Engine) -> None:
    store_entries(database, [Entry(predictions=(SHADOW,))])
    found = analytics.one_request(database, "shadow")
    assert found is not None
    assert (found.request, [row.id for row in found.predictions]) == (None, ["shadow"])
