"""The kernel distance against sums by hand, and around 0 where there is nothing to find."""

import numpy as np
import pytest

from leafgate.metrics import kernel
from leafgate.metrics.kernel import KernelDistance, kernel_distance


def draw(rows: int, width: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(rows, width))


def by_hand(real: np.ndarray, generated: np.ndarray) -> float:
    """The unbiased estimate in the words of the paper, pair by pair."""

    def cubic(x: np.ndarray, y: np.ndarray) -> float:
        return float((sum(x * y) / len(x) + 1) ** 3)

    def within(rows: np.ndarray) -> float:
        pairs = [cubic(x, y) for i, x in enumerate(rows) for j, y in enumerate(rows) if i != j]
        return float(np.mean(pairs))

    across = np.mean([cubic(x, y) for x in real for y in generated])
    return within(real) + within(generated) - 2 * float(across)


def test_one_block_of_all_rows_is_the_sum_by_hand() -> None:
    real, generated = draw(7, 3, seed=1), draw(7, 3, seed=2) + 0.5
    distance = kernel_distance(real, generated, blocks=3, block_size=7)
    assert distance.value == pytest.approx(by_hand(real, generated))
    assert distance.standard_deviation == pytest.approx(0, abs=1e-12)


def test_two_points_each_have_the_known_distance() -> None:
    real, generated = np.array([[0.0], [0.0]]), np.array([[1.0], [1.0]])
    # k = 1 within the zeros, 8 within the ones, 1 across.
    assert kernel_distance(real, generated).value == pytest.approx(1 + 8 - 2)


def test_blocks_are_the_sums_by_hand_over_the_rows_they_draw() -> None:
    real, generated = draw(9, 2, seed=1), draw(11, 2, seed=2) * 2
    rng = np.random.default_rng(8)
    chosen = [[rng.choice(n, 4, replace=False) for _ in range(5)] for n in (9, 11)]
    wanted = [by_hand(real[a], generated[b]) for a, b in zip(*chosen, strict=True)]
    distance = kernel_distance(real, generated, blocks=5, block_size=4, seed=8)
    assert distance.value == pytest.approx(np.mean(wanted))
    assert distance.standard_deviation == pytest.approx(np.std(wanted))


def test_small_tiles_give_the_same_distance(monkeypatch: pytest.MonkeyPatch) -> None:
    real, generated = draw(30, 2, seed=1), draw(41, 2, seed=2) + 1
    whole = kernel_distance(real, generated)
    monkeypatch.setattr(kernel, "CHUNK", 7)
    tiled = kernel_distance(real, generated)
    assert tiled.value == pytest.approx(whole.value)
    assert tiled.standard_deviation == pytest.approx(whole.standard_deviation)


def test_a_set_against_itself_is_near_zero() -> None:
    features = draw(600, 16, seed=1)
    itself = abs(kernel_distance(features, features).value)
    shifted = kernel_distance(features, features + 0.5).value
    assert itself < 0.05
    assert shifted > 10 * itself


def test_halves_of_one_distribution_scatter_around_zero() -> None:
    values = [
        kernel_distance(draw(60, 8, seed), draw(60, 8, seed + 1000), blocks=10).value
        for seed in range(100)
    ]
    assert min(values) < 0 < max(values)
    assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(len(values))


def test_few_rows_give_the_same_distance_as_many_on_average() -> None:
    few = [
        kernel_distance(draw(20, 4, seed), draw(20, 4, seed + 1000) + 1, blocks=10).value
        for seed in range(200)
    ]
    many = kernel_distance(draw(2000, 4, 1), draw(2000, 4, 2) + 1).value
    assert np.mean(few) == pytest.approx(many, abs=4 * np.std(few) / np.sqrt(len(few)))


def test_the_block_size_fits_the_smaller_set() -> None:
    small, large = draw(31, 2, seed=1), draw(2200, 2, seed=2)
    assert kernel_distance(small, large, blocks=2).block_size == 15
    assert kernel_distance(small[:2], large, blocks=2).block_size == 2
    assert kernel_distance(small, large, blocks=2, block_size=500).block_size == 31
    assert kernel_distance(large, large, blocks=2).block_size == 1000


def test_the_seed_decides_the_blocks() -> None:
    real, generated = draw(40, 3, seed=1), draw(40, 3, seed=2)
    assert kernel_distance(real, generated, seed=4) == kernel_distance(real, generated, seed=4)
    assert kernel_distance(real, generated, seed=4) != kernel_distance(real, generated, seed=5)


def test_stored_precision_does_not_matter() -> None:
    real, generated = (draw(50, 4, seed).astype(np.float32) * 100 for seed in (1, 2))
    exact = kernel_distance(real.astype(float), generated.astype(float))
    assert kernel_distance(real, generated).value == pytest.approx(exact.value, rel=1e-9)


def test_what_cannot_be_computed_is_nan_and_what_makes_no_sense_is_refused() -> None:
    alone = kernel_distance(draw(1, 3, seed=1), draw(9, 3, seed=2), blocks=7)
    assert np.isnan([alone.value, alone.standard_deviation]).all()
    assert alone == KernelDistance(alone.value, alone.standard_deviation, 7, 0)
    with pytest.raises(ValueError, match="blocks is 0"):
        kernel_distance(draw(9, 3, seed=1), draw(9, 3, seed=2), blocks=0)
