"""Metrics against cases with a known answer, and against scikit-learn."""

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as reference

from leafgate.metrics.classification import accuracy, class_scores, confusion, macro_f1
from leafgate.metrics.generative import evenly, near_copies, pixel_diversity
from leafgate.metrics.statistics import bootstrap, wilson


@pytest.fixture
def answers() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    truth = rng.choice(4, 500, p=[0.5, 0.3, 0.15, 0.05])
    return truth, np.where(rng.random(500) < 0.7, truth, rng.integers(0, 4, 500))


def test_figures_agree_with_scikit_learn(answers: tuple[np.ndarray, np.ndarray]) -> None:
    truth, predicted = answers
    matrix = confusion(truth, predicted, 4)
    assert np.array_equal(matrix, reference.confusion_matrix(truth, predicted))
    assert accuracy(truth, predicted) == pytest.approx(reference.accuracy_score(truth, predicted))
    assert macro_f1(truth, predicted, 4) == pytest.approx(
        reference.f1_score(truth, predicted, average="macro")
    )
    each = reference.precision_recall_fscore_support(truth, predicted)
    ours = class_scores(matrix)
    for name, values in zip(("precision", "recall", "f1", "support"), each, strict=True):
        assert [getattr(score, name) for score in ours] == pytest.approx(list(values))


def test_a_class_that_is_never_right_has_f1_zero() -> None:
    truth = np.array([0, 0, 1])
    assert macro_f1(truth, np.array([0, 0, 0]), 2) == pytest.approx(0.4)


def test_nothing_measured_is_nan() -> None:
    none = np.array([], int)
    assert np.isnan(accuracy(none, none))
    assert np.isnan(macro_f1(none, none, 3))
    assert np.isnan(bootstrap(lambda rows: 1.0, []).value)


def test_the_interval_of_a_share_is_the_known_one() -> None:
    right = np.arange(400) % 5 > 0  # 80 %
    interval = bootstrap(lambda rows: float(right[rows].mean()), [str(i) for i in range(400)])
    half = 1.96 * np.sqrt(0.8 * 0.2 / 400)
    assert interval.value == pytest.approx(0.8)
    assert interval.low == pytest.approx(0.8 - half, abs=0.01)
    assert interval.high == pytest.approx(0.8 + half, abs=0.01)


def test_grouped_images_count_as_fewer() -> None:
    right = np.repeat(np.arange(40) % 5 > 0, 10)

    def share(rows: np.ndarray) -> float:
        return float(right[rows].mean())

    single = bootstrap(share, [str(i) for i in range(400)])
    grouped = bootstrap(share, [str(i // 10) for i in range(400)])
    assert grouped.high - grouped.low > 2 * (single.high - single.low)


def test_identical_pictures_have_no_diversity_and_are_near_copies() -> None:
    same = np.full((10, 32, 32, 3), 99, np.uint8)
    assert pixel_diversity(same) == pytest.approx(0, abs=1e-6)
    assert near_copies(same, below=0.01) == 1.0


def test_the_distance_of_black_and_white_is_one() -> None:
    pair = np.stack([np.zeros((32, 32, 3)), np.full((32, 32, 3), 255)]).astype(np.uint8)
    assert pixel_diversity(pair) == pytest.approx(1.0)
    assert near_copies(pair, below=0.5) == 0.0


def test_even_choice_reaches_from_the_first_to_the_last_and_takes_all_of_a_few() -> None:
    assert evenly(9, 3).tolist() == [0, 4, 8]
    assert evenly(2, 5).tolist() == [0, 1]
    assert evenly(0, 5).tolist() == []


@pytest.mark.parametrize(("count", "total"), [(0, 7), (7, 7), (3, 10), (81, 263), (1, 1)])
def test_wilson_is_the_interval_that_the_score_test_does_not_reject(count: int, total: int) -> None:
    exact = stats.binomtest(count, total).proportion_ci(method="wilson")
    found = wilson(count, total)
    assert (found.low, found.high) == pytest.approx((exact.low, exact.high))
    assert found.value == count / total


def test_wilson_of_nothing_is_nothing() -> None:
    assert np.isnan(wilson(0, 0).low)
    with pytest.raises(ValueError, match="3 of 2"):
        wilson(3, 2)
