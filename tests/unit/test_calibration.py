"""Confidence taken at its word: a temperature that is found again, and bins counted by hand."""

import numpy as np
import pytest
from sklearn import metrics as reference

from leafgate.metrics.calibration import (
    TEMPERATURES,
    calibration_error,
    fit_temperature,
    log_loss,
    reliability,
    softmax,
)


def honest_answers(count: int = 20_000, classes: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Logits, and classes drawn with just the probabilities that the logits promise."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (count, classes))
    drawn = rng.random((count, 1)) > np.cumsum(softmax(logits), axis=1)
    return logits, drawn.sum(axis=1).clip(max=classes - 1)


def test_probabilities_sum_to_one_however_large_the_logits() -> None:
    logits = np.array([[1e4, 0, -1e4], [3, 3, 3], [-1e4, -1e4, -1e4 + 1]])
    shares = softmax(logits)
    assert shares.sum(axis=1) == pytest.approx(1)
    assert shares[0] == pytest.approx([1, 0, 0])
    assert shares[1] == pytest.approx([1 / 3] * 3)
    assert shares[2, 2] == pytest.approx(np.e / (np.e + 2))


def test_a_temperature_divides_the_logits_and_leaves_the_answer() -> None:
    logits = np.array([[2.0, 1.0, -3.0]])
    assert softmax(logits, 4.0) == pytest.approx(softmax(logits / 4))
    assert softmax(logits, 4.0).argmax() == 0
    assert softmax(logits, 4.0).max() < softmax(logits).max() < softmax(logits, 0.5).max()


def test_log_loss_agrees_with_scikit_learn() -> None:
    logits, truth = honest_answers(500)
    assert log_loss(logits, truth) == pytest.approx(reference.log_loss(truth, softmax(logits)))
    assert log_loss(logits, truth, 3.0) == pytest.approx(
        reference.log_loss(truth, softmax(logits / 3))
    )


def test_a_surely_wrong_answer_costs_much_but_not_everything() -> None:
    assert 20 < log_loss(np.array([[1e6, 0.0]]), np.array([1])) < 100


@pytest.mark.parametrize("overconfident", [0.4, 1.0, 2.5, 8.0])
def test_the_temperature_of_overconfident_logits_is_found_again(overconfident: float) -> None:
    logits, truth = honest_answers()
    assert fit_temperature(logits * overconfident, truth) == pytest.approx(overconfident, rel=0.03)


@pytest.mark.parametrize("seed", range(5))
def test_a_fitted_temperature_never_makes_the_log_loss_worse(seed: int) -> None:
    rng = np.random.default_rng(seed)
    logits, truth = rng.normal(0, 10 ** rng.uniform(-1, 1.5), (60, 3)), rng.integers(0, 3, 60)
    fitted = fit_temperature(logits, truth)
    assert log_loss(logits, truth, fitted) <= log_loss(logits, truth) + 1e-9


@pytest.mark.parametrize("scale", [1.0, 5.0, 40.0])
def test_a_few_answers_that_are_all_right_earn_no_certainty(scale: float) -> None:
    truth = np.arange(30) % 3
    logits = scale * np.eye(3)[truth]
    sure = softmax(logits, fit_temperature(logits, truth)).max()
    assert 0.95 < sure < 1 - 1 / 60


def test_answers_that_are_all_wrong_stay_within_the_bounds() -> None:
    truth = np.arange(30) % 3
    assert 1 < fit_temperature(-5 * np.eye(3)[truth], truth) <= TEMPERATURES[1]


def test_without_images_nothing_is_scaled_and_nothing_measured() -> None:
    none, truth = np.empty((0, 3)), np.array([], int)
    assert fit_temperature(none, truth) == 1.0
    assert np.isnan(log_loss(none, truth))
    assert np.isnan(calibration_error(reliability(none[:, 0], np.array([], bool))))


def test_the_calibration_error_of_a_hand_counted_case() -> None:
    confidence = np.array([0.1, 0.2, 0.3, 0.7, 0.9, 0.8])
    right = np.array([False, False, True, True, True, False])
    low, high = reliability(confidence, right, bins=2)
    assert (low.low, low.high, high.low, high.high) == (0, 0.5, 0.5, 1)
    assert (low.images, high.images) == (3, 3)
    assert (low.confidence, low.accuracy) == pytest.approx((0.2, 1 / 3))
    assert (high.confidence, high.accuracy) == pytest.approx((0.8, 2 / 3))
    assert calibration_error((low, high)) == pytest.approx((1 / 3 - 0.2) / 2 + (0.8 - 2 / 3) / 2)


def test_a_full_bin_weighs_more_than_a_thin_one() -> None:
    confidence = np.array([0.25] * 9 + [0.75])
    bins = reliability(confidence, np.array([False] * 9 + [True]), bins=2)
    assert calibration_error(bins) == pytest.approx(0.9 * 0.25 + 0.1 * 0.25)
    bins = reliability(confidence, np.array([False] * 10), bins=2)
    assert calibration_error(bins) == pytest.approx(0.9 * 0.25 + 0.1 * 0.75)


def test_a_confidence_on_an_edge_belongs_to_the_bin_below() -> None:
    bins = reliability(np.array([0.0, 0.25, 0.5, 1.0]), np.ones(4, bool), bins=4)
    assert [item.images for item in bins] == [2, 1, 0, 1]
    assert np.isnan(bins[2].confidence)
    assert np.isnan(bins[2].accuracy)


def test_honest_confidence_has_hardly_any_error_and_boasting_has_much() -> None:
    logits, truth = honest_answers()
    right = logits.argmax(axis=1) == truth

    def error(temperature: float) -> float:
        return calibration_error(reliability(softmax(logits, temperature).max(axis=1), right))

    assert error(1.0) < 0.015
    assert error(0.3) > 0.1
    assert error(4.0) > 0.1
