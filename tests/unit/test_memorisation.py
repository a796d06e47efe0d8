"""A generator that replays its training images is caught; one that draws new ones is not."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from leafgate.metrics.memorisation import memorisation, nearest


def draw(rows: int, seed: int, width: int = 12) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(rows, width)).astype(np.float32)


@pytest.fixture(scope="module")
def train() -> np.ndarray:
    return draw(400, seed=1)


@pytest.fixture(scope="module")
def held_out() -> np.ndarray:
    return draw(300, seed=2)


def test_exact_copies_of_the_training_images_are_caught(
    train: np.ndarray, held_out: np.ndarray
) -> None:
    taken = np.random.default_rng(3).integers(0, len(train), 200)
    found = memorisation(train, held_out, train[taken])
    assert found.share == 1
    assert found.ratio == 0
    assert found.closest == tuple((i, taken[i], 0.0) for i in range(16))


def test_slightly_noisy_copies_are_caught(train: np.ndarray, held_out: np.ndarray) -> None:
    taken = np.random.default_rng(3).integers(0, len(train), 200)
    found = memorisation(train, held_out, train[taken] + 0.05 * draw(200, seed=4))
    assert found.share == 1
    assert found.ratio < 0.15
    assert all(row == taken[index] for index, row, _ in found.closest)


def test_a_fresh_draw_of_the_same_distribution_passes(
    train: np.ndarray, held_out: np.ndarray
) -> None:
    found = memorisation(train, held_out, draw(300, seed=5))
    scatter = np.sqrt(0.05 * 0.95 * (1 / 300 + 1 / 300))
    assert found.expected == 0.05
    assert found.share == pytest.approx(found.expected, abs=3 * scatter)
    assert found.ratio == pytest.approx(1, abs=0.1)


def test_a_part_of_copies_shows_as_that_part(train: np.ndarray, held_out: np.ndarray) -> None:
    mixed = np.concatenate([train[:60], draw(240, seed=5)])
    found = memorisation(train, held_out, mixed)
    assert found.share == pytest.approx(0.2 + 0.8 * 0.05, abs=0.04)
    assert {row for _, row, _ in found.closest} <= set(range(60))


def test_noise_far_from_all_images_copies_nothing(train: np.ndarray, held_out: np.ndarray) -> None:
    found = memorisation(train, held_out, 10 * draw(100, seed=5))
    assert found.share == 0
    assert found.ratio > 3


@pytest.mark.parametrize("rows", [6, 19, 30])
def test_the_expected_share_holds_for_few_held_out_images(rows: int) -> None:
    found = [
        memorisation(draw(50, s, 3), draw(rows, s + 1000, 3), draw(40, s + 2000, 3))
        for s in range(300)
    ]
    shares = [each.share for each in found]
    assert found[0].expected == pytest.approx(max(0.05, 1 / (rows + 1)))
    scatter = 4 * np.std(shares) / np.sqrt(len(shares))
    assert np.mean(shares) == pytest.approx(found[0].expected, abs=scatter)


def test_copies_are_caught_though_some_held_out_images_are_copies_too(train: np.ndarray) -> None:
    leaking = np.concatenate([train[:30], draw(270, seed=2)])
    assert memorisation(train, leaking, train[100:200]).share == 1


def test_the_closest_pairs_come_nearest_first(train: np.ndarray, held_out: np.ndarray) -> None:
    generated = draw(50, seed=5)
    closest = memorisation(train, held_out, generated, pairs=5).closest
    apart = cdist(generated, train)
    first = np.argsort(apart.min(axis=1))[:5]
    assert [(i, row) for i, row, _ in closest] == [(i, apart[i].argmin()) for i in first]
    assert [d for *_, d in closest] == pytest.approx(apart.min(axis=1)[first])
    assert len(memorisation(train, held_out, generated[:3], pairs=5).closest) == 3


def test_the_nearest_row_is_found_exactly_far_from_the_origin() -> None:
    points, among = draw(40, seed=1).astype(float) + 1e4, draw(60, seed=2).astype(float) + 1e4
    among[7] = points[11] + 1e-6
    distances, indices = nearest(points, among)
    apart = cdist(points, among)
    assert indices.tolist() == apart.argmin(axis=1).tolist()
    assert distances == pytest.approx(apart.min(axis=1), rel=1e-9)


def test_nothing_measured_is_nan(train: np.ndarray, held_out: np.ndarray) -> None:
    for sets in ((train[:0], held_out), (train, held_out[:0]), (train, held_out)):
        found = memorisation(*sets, train[:0])
        assert np.isnan([found.share, found.ratio]).all()
        assert (found.expected, found.closest) == (0.05, ())
    assert np.isnan(memorisation(train, train[:40], train[:40]).ratio)
    with pytest.raises(ValueError, match="no rows"):
        nearest(train, train[:0])
