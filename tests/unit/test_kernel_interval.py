"""The interval of a kernel distance holds the truth as often as it says, on Gaussians."""

import numpy as np
import pytest
from numpy.typing import NDArray

from leafgate.metrics.kernel import kernel_distance
from leafgate.metrics.kernel_interval import kernel_difference, kernel_interval, one_repeated

Doubles = NDArray[np.float64]
REPEATS = 60


def truth(mean: Doubles, deviation: float) -> float:
    """Kernel distance of N(0, I) and N(mean, deviation^2 I), from their moments.

    (s + 1)^3 = 1 + 3 s + 3 s^2 + s^3, and the mean of (x.y)^k is the product of k-th moments.
    """
    d, same = len(mean), np.eye(len(mean))
    second = deviation**2 * same + np.outer(mean, mean) - same
    third = np.einsum("i,j,k->ijk", mean, mean, mean) + deviation**2 * sum(
        np.einsum(f"{a},{b}->ijk", mean, same) for a, b in (("i", "jk"), ("j", "ik"), ("k", "ij"))
    )
    parts = 3 / d * (mean**2).sum(), 3 / d**2 * (second**2).sum(), 1 / d**3 * (third**2).sum()
    return float(sum(parts))


def draw(rows: int, shift: float, deviation: float, seed: int, d: int = 8) -> Doubles:
    return np.random.default_rng(seed).standard_normal((rows, d)) * deviation + shift


def coverage(shift: float, deviation: float) -> float:
    """How often the interval of 60 and 100 images holds the truth."""
    true = truth(np.full(8, shift), deviation)
    found = (
        kernel_interval(draw(60, 0, 1, seed), draw(100, shift, deviation, seed + 1000), draws=200)
        for seed in range(REPEATS)
    )
    return float(np.mean([each.low <= true <= each.high for each in found]))


@pytest.mark.parametrize(("shift", "deviation"), [(0, 1), (0.3, 1), (1, 1), (0, 0.5)])
def test_the_interval_holds_the_true_distance_in_about_95_of_100_cases(
    shift: float, deviation: float
) -> None:
    assert coverage(shift, deviation) >= 0.88  # of 60 at 95 %: below in under 2 of 100 seeds


def test_copies_of_an_image_in_a_sample_would_push_the_interval_off_the_truth() -> None:
    real, generated = draw(60, 0, 1, 0), draw(60, 0, 1, 1)
    rng = np.random.default_rng(0)
    naive = [
        kernel_distance(
            real[rng.integers(0, 60, 60)], generated[rng.integers(0, 60, 60)], 1, 60
        ).value
        for _ in range(100)
    ]
    assert np.percentile(naive, 2.5) > 0, "what is left out here"
    found = kernel_interval(real, generated)
    assert found.low < 0 < found.high


def test_the_value_is_the_unbiased_distance_over_all_pairs() -> None:
    real, generated = draw(9, 0, 1, 0), draw(7, 1, 1, 1)
    k = [(a @ b.T / 8 + 1) ** 3 for a, b in ((real, real), (generated, generated))]
    within = [(each.sum() - np.trace(each)) / (len(each) * (len(each) - 1)) for each in k]
    expected = sum(within) - 2 * ((real @ generated.T / 8 + 1) ** 3).mean()
    assert kernel_interval(real, generated).value == pytest.approx(expected)


def test_tiles_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    sets = draw(23, 0, 1, 0), draw(31, 1, 1, 1), draw(17, 0.5, 1, 2)
    whole = kernel_difference(*sets)
    monkeypatch.setattr("leafgate.metrics.kernel_interval.CHUNK", 5)
    tiled = kernel_difference(*sets)
    assert (tiled.value, tiled.low, tiled.high) == pytest.approx(
        (whole.value, whole.low, whole.high)
    )


def test_a_difference_is_that_of_both_distances_and_surer_than_either() -> None:
    real, near, far = draw(80, 0, 1, 0), draw(80, 0.3, 1, 1), draw(80, 0.5, 1, 2)
    found = kernel_difference(real, near, far)
    ours, theirs = kernel_interval(real, near), kernel_interval(real, far)
    assert found.value == pytest.approx(ours.value - theirs.value)
    assert found.value < 0
    assert found.spread < (ours.spread**2 + theirs.spread**2) ** 0.5
    assert kernel_difference(real, far, near).value == pytest.approx(-found.value)


def test_the_unit_is_what_one_image_repeated_gets_on_average() -> None:
    real = draw(50, 0, 1, 0)
    again = [kernel_interval(real, np.repeat(row[None], 50, 0), draws=1).value for row in real]
    assert one_repeated(real) == pytest.approx(np.mean(again), rel=0.05)


def test_what_cannot_be_computed_is_nan_and_the_seed_settles_the_rest() -> None:
    real, odd = draw(20, 0, 1, 0), draw(20, 0, 1, 1)
    odd[3, 2] = np.nan
    for other in (real[:1], real[:0], odd):
        assert np.isnan(kernel_interval(real, other).high)
        assert np.isnan(kernel_difference(real, real, other).value)
    assert np.isnan(one_repeated(np.ones((5, 3))))
    assert kernel_interval(real, real) == kernel_interval(real, real)
    assert np.isfinite(kernel_interval(real[:2], real[:3]).low)
