"""Indices of drift: what they are by hand, and what chance alone makes of them."""

import math

import numpy as np
import pytest
from scipy import stats
from scipy.spatial.distance import jensenshannon

from leafgate.metrics.drift import (
    MOVING,
    Distance,
    chi_square_quantile,
    distance,
    even_bins,
    jensen_shannon,
    psi,
    psi_noise,
    samples_needed,
    worst,
)


def test_the_index_is_the_symmetric_divergence_of_smoothed_shares() -> None:
    p, q = np.array([30.5, 70.5]) / 101, np.array([50.5, 50.5]) / 101
    wanted = stats.entropy(p, q) + stats.entropy(q, p)
    assert psi([50, 50], [30, 70]) == pytest.approx(wanted)
    assert psi([30, 70], [50, 50]) == pytest.approx(wanted)
    assert psi([5, 9], [5, 9]) == 0


def test_a_bin_that_one_side_leaves_empty_is_far_and_not_infinite() -> None:
    assert 1 < psi([100, 0], [50, 50]) < 10


def test_jensen_shannon_is_in_bits_between_none_and_one() -> None:
    p, q = [3, 5, 0, 9], [4, 0, 1, 7]
    assert jensen_shannon(p, q) == pytest.approx(jensenshannon(p, q, base=2) ** 2)
    assert jensen_shannon([1, 0], [0, 7]) == 1
    assert jensen_shannon([2, 3], [200, 300]) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(("bins", "reference", "samples"), [(4, 900, 500), (15, 5000, 1000)])
def test_without_drift_the_index_stays_below_its_noise_in_95_percent(
    bins: int, reference: int, samples: int
) -> None:
    rng = np.random.default_rng(3)
    shares = 1 / np.arange(1, bins + 1)
    shares /= shares.sum()
    limit = psi_noise(reference, samples, bins)
    above = [
        psi(rng.multinomial(reference, shares), rng.multinomial(samples, shares)) > limit
        for _ in range(2000)
    ]
    assert 0.035 < np.mean(above) < 0.065


@pytest.mark.parametrize(("bins", "reference"), [(2, 50), (15, 5000), (15, 500)])
def test_so_many_samples_as_are_needed_are_enough_and_one_less_is_not(
    bins: int, reference: int
) -> None:
    needed = samples_needed(reference, bins)
    assert needed is not None
    assert psi_noise(reference, needed, bins) < MOVING <= psi_noise(reference, needed - 1, bins)


def test_a_reference_that_is_too_small_is_enough_for_no_number_of_samples() -> None:
    assert samples_needed(100, 15) is None


@pytest.mark.parametrize("degrees", [1, 2, 3, 5, 14, 37, 49])
def test_the_quantile_is_near_the_exact_one(degrees: int) -> None:
    exact = stats.chi2.ppf(0.95, degrees)
    assert chi_square_quantile(0.95, degrees) == pytest.approx(exact, rel=0.03 / degrees)


def test_verdicts_follow_the_rule_of_thumb_where_the_samples_allow_one() -> None:
    assert [Distance(index, 0.1, 0.02).verdict for index in (0.09, 0.1, 0.24, 0.25)] == [
        "steady",
        "moving",
        "moving",
        "drifted",
    ]
    assert Distance(9.0, 1.0, 0.1).verdict == "too_few"
    assert worst(("steady", "drifted", "too_few")) == "drifted"


def test_fifteen_classes_take_240_answers_or_480_on_both_sides() -> None:
    even = [10_000] * 15
    assert not distance(even, [15] * 15).enough
    assert distance(even, [16] * 15).enough
    assert not distance([31] * 15, [31] * 15).enough
    assert distance([32] * 15, [32] * 15).enough


def test_bins_that_both_leave_empty_are_none() -> None:
    assert distance([5, 0, 7], [4, 0, 9]) == distance([5, 7], [4, 9])
    assert distance([1, 2], [0, 0]).verdict == "too_few"
    assert math.isnan(distance([0, 0], [1, 2]).js)
    with pytest.raises(ValueError, match="bins"):
        distance([1, 2], [1, 2, 3])


def test_fine_bins_are_put_together_until_each_holds_a_tenth() -> None:
    rng = np.random.default_rng(0)
    reference = np.bincount((rng.beta(6, 2, 5000) * 50).astype(int), minlength=50)
    theirs, ours = even_bins(reference, np.arange(50))
    assert theirs.sum() == 5000
    assert ours.sum() == np.arange(50).sum()
    assert 5 <= len(theirs) <= 10
    assert theirs.min() >= 500


def test_a_bin_that_holds_all_stays_apart_from_where_things_may_move_to() -> None:
    low, high = even_bins([0] * 49 + [900], [10] * 50)
    assert low.tolist() == [0, 900]
    assert high.tolist() == [490, 10]
    assert even_bins([900] + [0] * 49, [10] * 50)[1].tolist() == [10, 490]
