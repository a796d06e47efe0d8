"""Every figure of the diagnoses against rows counted one by one, on each database."""

from collections import Counter
from itertools import product

import numpy as np
import pytest
import sqlalchemy as sa

from sql import PredictionRecord, analytics
from sql.analytics import Only
from sql.histogram import confidence_bin
from tests.databases import one_module
from tests.random_log import SPANS, buckets, random_entries, store_out_of_order, told_of

ENTRIES = random_entries()
LIMITED: tuple[tuple[Only, dict[str, object]], ...] = (
    (Only(), {}),
    (Only(version=2), {"model_version": 2}),
    (Only(user="müller"), {"user_name": "müller"}),
    (Only(source=""), {"source": ""}),
    (Only(source="10.0.0.4", version=1), {"source": "10.0.0.4", "model_version": 1}),
    (Only(class_name="fäule"), {"class_name": "fäule"}),
    (Only(user="eve", class_name="rust"), {"user_name": "eve", "class_name": "rust"}),
)


@pytest.fixture(scope=one_module)
def log(lasting_database: sa.Engine) -> sa.Engine:
    store_out_of_order(lasting_database, ENTRIES)
    return lasting_database


def sure(rows: list[PredictionRecord]) -> list[float]:
    return [row.confidence or 0.0 for row in rows]


def test_how_often_each_class_was_told(log: sa.Engine) -> None:
    for (only, fields), (name, span) in product(LIMITED, SPANS.items()):
        rows = told_of(ENTRIES, span.since, span.until, **fields)
        counts = Counter(row.class_name for row in rows)
        found = analytics.disease_frequency(log, span, only)
        assert {row.class_name: row.count for row in found} == counts, (only, name)
        assert [row.count for row in found] == sorted(counts.values(), reverse=True)
        for row in found:
            of_class = [each for each in rows if each.class_name == row.class_name]
            assert row.mean_confidence == pytest.approx(np.mean(sure(of_class)))
            assert row.unknown == sum(bool(each.unknown) for each in of_class)


def test_how_often_each_class_was_told_in_each_bucket(log: sa.Engine) -> None:
    for (only, fields), span in product(LIMITED, SPANS.values()):
        wanted = [
            (since, name, count)
            for since, until in buckets(span)
            for name, count in sorted(
                Counter(row.class_name for row in told_of(ENTRIES, since, until, **fields)).items()
            )
        ]
        found = analytics.diseases_over_time(log, span, only)
        assert [(row.at, row.class_name, row.count) for row in found] == wanted


def test_how_sure_the_answers_were(log: sa.Engine) -> None:
    for (only, fields), span in product(LIMITED, SPANS.values()):
        rows = sure(told_of(ENTRIES, span.since, span.until, **fields))
        found = analytics.confidence_distribution(log, span, only)
        counts = Counter(confidence_bin(value) for value in rows)
        assert found.counts == tuple(counts[number] for number in range(50))
        assert found.answers == len(rows)
        assert found.mean == pytest.approx(np.mean(rows) if rows else np.nan, nan_ok=True)


def test_how_many_images_were_none_of_the_classes(log: sa.Engine) -> None:
    for (only, fields), span in product(LIMITED, SPANS.values()):
        wanted = [
            (since, len(rows), sum(bool(row.unknown) for row in rows))
            for since, until in buckets(span)
            if (rows := told_of(ENTRIES, since, until, **fields))
        ]
        found = analytics.unknown_over_time(log, span, only)
        assert [(row.at, row.answers, row.unknown) for row in found] == wanted
        assert all(row.share == row.unknown / row.answers for row in found)


def test_a_user_and_a_source_together_are_not_counted() -> None:
    with pytest.raises(ValueError, match="one of the two"):
        Only(user="ada", source="10.0.0.1")
