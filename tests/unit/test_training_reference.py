"""What drift is measured against: a classifier's own answers to pictures that it has not learnt."""

import json
from pathlib import Path

import numpy as np
import pytest

from leafgate.metrics.confidences import CONFIDENCE_BINS, confidence_bin, confidence_counts
from registry import Classifier
from registry.classifier_model import ClassifierDescription
from registry.description import read_description, write_description
from serving.routes.health import Reference
from tests.colours import COLOURS, colour_picture
from tests.models import store_tiny_classifier
from training.classifier.finished import judge_all, with_reference


def test_counts_put_every_confidence_where_the_request_log_puts_it() -> None:
    edges = np.arange(CONFIDENCE_BINS + 1) / CONFIDENCE_BINS
    drawn = np.random.default_rng(0).random(2000)
    for kind in (np.float32, np.float64):
        values = np.concatenate([edges, np.nextafter(edges, 0), np.nextafter(edges, 1), drawn])
        wanted = np.zeros(CONFIDENCE_BINS, int)
        for value in values.astype(kind):
            wanted[confidence_bin(float(value))] += 1
        assert confidence_counts(values.astype(kind)) == tuple(wanted)


def test_what_is_no_confidence_has_a_bin_all_the_same() -> None:
    strange = [-1.0, float("nan"), 0.0, 1.0, 2.0, float("inf")]
    assert [confidence_bin(value) for value in strange] == [0, 0, 0, 49, 49, 49]
    counts = confidence_counts(np.array(strange))
    assert (counts[0], counts[-1], sum(counts)) == (3, 3, 6)


def test_no_pictures_make_counts_of_nothing() -> None:
    assert confidence_counts(np.array([])) == (0,) * CONFIDENCE_BINS


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("colours")
    store_tiny_classifier(folder, temperature=3.0)
    return folder


def test_the_reference_is_what_the_stored_model_answers(stored: Path) -> None:
    names = ("red", "red", "green", "red")
    images = np.stack([np.asarray(colour_picture(name, n)) for n, name in enumerate(names)])
    classifier = Classifier.load(stored, "openvino")
    described = with_reference(classifier, judge_all(classifier, images))
    assert described.reference_classes == {"red": 3, "green": 1, "blue": 0}
    confidences = [answer.confidence for answer in classifier.predict(images)]
    assert 0.4 < min(confidences) < 0.98, "or the temperature would not show"
    assert described.reference_confidences == confidence_counts(np.array(confidences))


def test_the_reference_is_stored_and_read_back(tmp_path: Path) -> None:
    counts = tuple(range(CONFIDENCE_BINS))
    told = ClassifierDescription(
        ("red",), 32, "colours", "none", reference_classes={"red": 5}, reference_confidences=counts
    )
    write_description(told, tmp_path)
    assert read_description(tmp_path, ClassifierDescription) == told


def test_a_model_stored_before_there_were_references_has_none(stored: Path, tmp_path: Path) -> None:
    found = json.loads((stored / "model.json").read_text())
    for name in ("reference_classes", "reference_confidences", "form_accuracy"):
        del found[name]
    (tmp_path / "model.json").write_text(json.dumps(found))
    described = read_description(tmp_path, ClassifierDescription)
    assert (described.reference_classes, described.reference_confidences) == ({}, ())
    assert described.labels == tuple(COLOURS)
    assert Reference.of(described) is None
