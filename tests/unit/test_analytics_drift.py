"""Drift of what the service tells, against a reference or an earlier time of the log."""

from collections import Counter
from datetime import timedelta

import numpy as np
import pytest
import sqlalchemy as sa

from leafgate.metrics.drift import distance, even_bins
from sql import Entry, analytics
from sql.analytics import Reference
from sql.histogram import confidence_bin
from tests.databases import one_module
from tests.random_log import SPANS, START, random_entries, store_out_of_order, told_of

ENTRIES = random_entries(900)
SPAN = SPANS["whole hours"]


@pytest.fixture(scope=one_module)
def log(lasting_database: sa.Engine) -> sa.Engine:
    store_out_of_order(lasting_database, ENTRIES)
    return lasting_database


def reference_by_hand(entries: list[Entry], **fields: object) -> Reference:
    rows = told_of(entries, SPAN.since, SPAN.until, **fields)
    bins = Counter(confidence_bin(row.confidence or 0.0) for row in rows)
    classes = Counter(str(row.class_name) for row in rows)
    version = fields.get("model_version")
    assert version is None or isinstance(version, int)
    return Reference(version, classes, [bins[number] for number in range(50)])


def test_a_time_of_the_log_is_a_reference(log: sa.Engine) -> None:
    found = analytics.reference_of(log, SPAN)
    wanted = reference_by_hand(ENTRIES)
    assert (found.classes, list(found.confidences)) == (wanted.classes, wanted.confidences)
    of_two = analytics.reference_of(log, SPAN, version=2)
    assert of_two.classes == reference_by_hand(ENTRIES, model_version=2).classes
    assert of_two.model_version == 2


def test_the_distances_are_those_of_the_answers_of_the_version(log: sa.Engine) -> None:
    reference = Reference(2, {"rust": 300, "scab": 300, "gone": 50}, [12] * 50)
    ours = reference_by_hand(ENTRIES, model_version=2)
    found = analytics.drift(log, SPAN, reference)
    names = sorted({*reference.classes, *ours.classes})
    both = [[side.classes.get(name, 0) for name in names] for side in (reference, ours)]
    assert found.classes == distance(*both)
    assert found.confidences == distance(*even_bins(reference.confidences, ours.confidences))
    assert (found.samples, found.reference_samples) == (ours.samples, 650)


def test_a_log_has_not_drifted_from_itself(log: sa.Engine) -> None:
    found = analytics.drift(log, SPAN, analytics.reference_of(log, SPAN))
    assert (found.verdict, found.classes.psi, found.classes.js) == ("steady", 0, 0)
    assert "chance alone" in found.sentence


def test_answers_of_another_kind_have_drifted(log: sa.Engine) -> None:
    other = Reference(None, {"rust": 20, "mould": 900}, [0] * 45 + [184] * 5)
    found = analytics.drift(log, SPAN, other)
    assert found.verdict == "drifted"
    assert found.enough
    assert 0 < found.classes.js <= 1
    assert "train again" in found.sentence


def test_too_few_answers_are_called_that(log: sa.Engine) -> None:
    minute = analytics.Span(START, START + timedelta(minutes=30))
    for span in (minute, SPANS["nothing in it"]):
        found = analytics.drift(log, span, analytics.reference_of(log, SPAN))
        assert (found.verdict, found.enough) == ("too_few", False)
        assert str(found.samples) in found.sentence
    assert np.isnan(
        analytics.drift(log, SPANS["nothing in it"], Reference(None, {}, [0] * 50)).classes.psi
    )


def test_a_reference_of_other_bins_is_refused() -> None:
    with pytest.raises(ValueError, match="10 bins"):
        Reference(None, {"rust": 1}, [1] * 10)
