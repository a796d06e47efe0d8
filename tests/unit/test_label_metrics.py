"""Inception score, shares, entropy and divergence where the answer is known beforehand."""

import numpy as np
import pytest
from scipy import stats

from leafgate.metrics.labels import (
    class_fidelity,
    class_shares,
    divergence,
    entropy,
    inception_score,
)


def test_sure_and_balanced_answers_score_the_number_of_classes() -> None:
    sure = np.eye(5, dtype=np.float32)[np.arange(200) % 5]
    assert inception_score(sure) == pytest.approx((5, 0))


def test_answers_that_are_all_alike_score_one() -> None:
    assert inception_score(np.full((100, 4), 0.25)) == pytest.approx((1, 0))
    assert inception_score(np.tile([1.0, 0, 0], (100, 1))) == pytest.approx((1, 0))


def test_the_score_is_the_exponent_of_the_mean_divergence() -> None:
    answers = np.random.default_rng(0).dirichlet([0.5] * 6, 30)
    parts = [
        np.exp(np.mean([stats.entropy(row, part.mean(axis=0)) for row in part]))
        for part in np.split(answers, 3)
    ]
    assert inception_score(answers, splits=3) == pytest.approx((np.mean(parts), np.std(parts)))


def test_few_rows_get_fewer_splits_and_a_score_that_is_too_low() -> None:
    sure = np.eye(10)[np.random.default_rng(0).integers(0, 10, 2000)]
    assert inception_score(sure[:5])[0] <= 3  # two splits of at most three rows
    assert inception_score(sure[:100])[0] < inception_score(sure)[0] < 10


def test_shares_count_every_class() -> None:
    assert class_shares(np.array([0, 2, 2, 0]), 4).tolist() == [0.5, 0, 0.5, 0]
    assert np.isnan(class_shares(np.array([], int), 3)).tolist() == [True] * 3


def test_an_index_that_is_no_class_is_refused() -> None:
    with pytest.raises(ValueError, match="class index 4 among 3"):
        class_shares(np.array([0, 4]), 3)
    with pytest.raises(ValueError):
        class_shares(np.array([0, -1]), 3)


def test_entropy_is_zero_for_one_class_and_the_logarithm_for_all_alike() -> None:
    assert entropy(np.array([0.0, 1.0, 0.0])) == 0
    assert entropy(np.full(8, 1 / 8)) == pytest.approx(np.log(8))
    assert entropy(np.array([0.5, 0.25, 0.25])) == pytest.approx(1.5 * np.log(2))


def test_divergence_is_zero_where_equal_and_known_elsewhere() -> None:
    shares = np.array([0.5, 0.5, 0.0])
    assert divergence(shares, shares) == 0
    assert divergence(shares, np.full(3, 1 / 3)) == pytest.approx(np.log(1.5))
    assert divergence(np.array([0.75, 0.25]), np.array([0.5, 0.5])) == pytest.approx(
        np.log(2) - entropy(np.array([0.75, 0.25]))
    )


def test_a_class_that_nobody_wanted_counts_much_but_not_without_end() -> None:
    unwanted = divergence(np.array([0.5, 0.5]), np.array([1.0, 0.0]))
    assert unwanted > 10
    assert np.isfinite(unwanted)


def test_the_bias_of_few_pictures_is_the_documented_one() -> None:
    rng = np.random.default_rng(0)
    wanted = np.full(6, 1 / 6)
    drawn = [class_shares(rng.integers(0, 6, 100), 6) for _ in range(500)]
    bias = 5 / (2 * 100)
    assert np.mean([entropy(s) for s in drawn]) == pytest.approx(np.log(6) - bias, abs=0.004)
    assert np.mean([divergence(s, wanted) for s in drawn]) == pytest.approx(bias, abs=0.004)


def test_fidelity_is_the_share_seen_as_asked() -> None:
    asked = np.array([0, 1, 2, 2])
    assert class_fidelity(asked, np.array([0, 1, 1, 2])) == 0.75
    assert class_fidelity(asked, asked) == 1
    assert class_fidelity(asked, asked + 1) == 0


def test_nothing_measured_is_nan() -> None:
    none, unknown = np.array([], int), np.full(3, np.nan)
    assert np.isnan(inception_score(np.ones((1, 1)))).all()
    assert np.isnan(inception_score(np.zeros((0, 3)))).all()
    assert np.isnan(class_fidelity(none, none))
    assert np.isnan(entropy(unknown))
    assert np.isnan(divergence(unknown, np.full(3, 1 / 3)))
