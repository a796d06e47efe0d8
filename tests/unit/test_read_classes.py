"""What is read in generated pictures is kept and counted, apart from diagnoses."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from sql import Entry, GenerationRecord, Readings, Span, analytics, rebuild_counts
from sql.read_classes import LENGTH, ReadClass, as_json, read_classes
from sql.records import naive_utc
from sql.rollups import settle
from sql.storing import store_entries
from tests.log_entries import HOUR, MINUTE, NOON, entry

WHOLE = Span(NOON - HOUR, NOON + timedelta(days=2), HOUR)
PART = Span(NOON + MINUTE, NOON + 50 * MINUTE, 10 * MINUTE)
LATER = naive_utc(NOON + timedelta(days=9))
Read = tuple[str, float, bool]


def generated(number: int, minutes: int, read: Sequence[Read], version: int = 3) -> Entry:
    """A request for pictures that a classifier read."""
    readings = Readings()
    for each in read:
        readings.add(*each)
    made = entry(number, NOON + minutes * MINUTE)
    assert made.request is not None
    request = replace(made.request, endpoint="/generate", images=len(read))
    generation = GenerationRecord(
        id=request.id,
        at_utc=request.at_utc,
        made=len(read),
        reader_name="leaf-classifier" if read else None,
        reader_version=version if read else None,
        read_classes=readings.as_json(),
    )
    return Entry(request=request, generation=generation)


ENTRIES = [
    generated(1, 5, [("rust", 0.9, False), ("rust", 0.7, True), ("scab", 0.5, False)]),
    generated(2, 15, [("scab", 0.5, False)] * 4),
    generated(3, 60 * 30, [("rust", 1.0, False)], version=4),
    generated(4, 25, []),
]


@pytest.mark.parametrize(
    "change",
    [lambda engine: None, lambda engine: settle(engine, LATER), rebuild_counts],
    ids=["as they came", "settled", "made anew"],
)
def test_readings_are_counted_by_class_and_version_and_are_no_diagnoses(
    database: sa.Engine, change: Callable[[sa.Engine], object]
) -> None:
    store_entries(database, ENTRIES)
    change(database)
    read = [(r.version, r.class_name, r.pictures, r.unknown) for r in _found(database, WHOLE)]
    assert read == [(3, "scab", 5, 0), (3, "rust", 2, 1), (4, "rust", 1, 0)]
    read = [(r.version, r.class_name, r.pictures, r.unknown) for r in _found(database, PART)]
    assert read == [(3, "scab", 5, 0), (3, "rust", 2, 1)]
    assert [r.mean_confidence for r in _found(database, WHOLE)] == pytest.approx([0.5, 0.8, 1.0])
    for span in (WHOLE, PART):
        assert analytics.disease_frequency(database, span) == ()
        assert analytics.confidence_distribution(database, span).answers == 0
        assert analytics.reference_of(database, span).samples == 0


def _found(database: sa.Engine, span: Span) -> tuple[analytics.ReadCount, ...]:
    found = analytics.read_frequency(database, span)
    assert {row.model_name for row in found} == {"leaf-classifier"}
    return found


def test_pictures_made_have_a_response_time_of_their_own(database: sa.Engine) -> None:
    diagnosed = entry(9, NOON + 5 * MINUTE)
    store_entries(database, [*ENTRIES, replace(diagnosed, generation=None)])
    for span, sizes in ((WHOLE, ["1", "3", "4"]), (PART, ["3", "4"])):
        made = analytics.made_sizes(database, span)
        assert [row.name for row in made] == sizes
        assert {row.requests for row in made} == {1}
        assert [(row.name, row.requests) for row in analytics.batch_sizes(database, span)] == [
            ("1", 1)
        ]


def test_classes_beyond_the_columns_length_are_counted_together() -> None:
    classes = [
        ReadClass(f"Klasse 🍂 {number:03d} " * 4, 200 - number, 1, 0.5) for number in range(200)
    ]
    text = as_json(classes)
    assert text is not None
    assert len(text.encode("utf-16-le")) <= 2 * LENGTH
    kept = list(read_classes(text))
    assert kept[:20] == classes[:20]
    assert kept[-1].class_name is None
    assert sum(each.pictures for each in kept) == sum(each.pictures for each in classes)
    assert sum(each.unknown for each in kept) == 200


def test_nothing_read_is_nothing_stored_and_nonsense_is_nothing_read() -> None:
    assert Readings().as_json() is None
    for text in (None, "", "[", "{}", '[["rust"]]', '[["rust",1,0]]', '"…', "[1]", "5"):
        assert list(read_classes(text)) == []
    readings = Readings()
    readings.add('it\'s "odd" \\ 葉', 0.25, True)
    assert json.loads(readings.as_json() or "") == [['it\'s "odd" \\ 葉', 1, 1, 0.25]]
