"""A linear model on features: its penalty is chosen by validation, and it knows all classes."""

import numpy as np
import pytest
from numpy.typing import NDArray

from leafgate.metrics.calibration import log_loss
from training.classifier.linear_model import INVERSE_PENALTIES, LinearModel, fit_linear_model

CHANNELS = 12


def drawn(
    count: int, classes: int = 3, seed: int = 0
) -> tuple[NDArray[np.float16], NDArray[np.int64]]:
    """Features around a mean for each class; float16, as they are kept."""
    rng = np.random.default_rng(seed)
    means = np.random.default_rng(99).normal(0, 2, (classes, CHANNELS))
    labels = np.arange(count) % classes
    return (means[labels] + rng.normal(0, 1, (count, CHANNELS))).astype(np.float16), labels


def fitted(count: int, classes: int = 3) -> LinearModel:
    found = fit_linear_model(*drawn(count, classes), drawn(60, classes, seed=1), classes)
    assert found is not None
    return found


@pytest.mark.parametrize("classes", [2, 3])
def test_classes_that_lie_apart_are_told_from_five_images_of_each(classes: int) -> None:
    model = fitted(5 * classes, classes)
    features, labels = drawn(300, classes, seed=2)
    assert (model.logits(features).argmax(axis=1) == labels).mean() > 0.9
    assert model.accuracy > 0.9
    assert model.macro_f1 > 0.9
    assert model.seconds > 0


def test_the_penalty_is_the_one_of_the_lowest_validation_loss() -> None:
    model, (features, labels) = fitted(30), drawn(60, seed=1)
    best = log_loss(model.logits(features), labels)
    for strength in INVERSE_PENALTIES:
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr("training.classifier.linear_model.INVERSE_PENALTIES", (strength,))
            other = fitted(30)
        assert other.strength == strength
        assert log_loss(other.logits(features), labels) >= best - 1e-3


def test_a_channel_that_never_changes_does_no_harm() -> None:
    features, labels = drawn(30)
    features[:, 0] = 3
    found = fit_linear_model(features, labels, drawn(60, seed=1), 3)
    assert found is not None
    assert np.isfinite(found.logits(features)).all()


def test_a_class_without_images_is_never_the_answer() -> None:
    features, labels = drawn(40, classes=4)
    known = labels != 1
    found = fit_linear_model(features[known], labels[known], drawn(40, 4, seed=1), 4)
    assert found is not None
    told = found.logits(features).argmax(axis=1)
    assert 1 not in told
    assert (told == labels)[known].mean() > 0.9


def test_one_class_alone_has_no_model() -> None:
    features, labels = drawn(10, classes=1)
    assert fit_linear_model(features, labels, (features, labels), 1) is None


def test_weights_of_images_count() -> None:
    features, labels = drawn(60)
    weights = np.where(labels == 0, 50.0, 0.02)
    plain, leaning = (
        fit_linear_model(features, labels, drawn(60, seed=1), 3, given) for given in (None, weights)
    )
    assert plain is not None and leaning is not None
    between = np.zeros((1, CHANNELS))
    assert leaning.logits(between)[0, 0] > plain.logits(between)[0, 0]
