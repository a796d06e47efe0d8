"""Precision, recall, density and coverage: of the same, of strangers, and against all pairs."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from leafgate.metrics import manifold
from leafgate.metrics.manifold import density_coverage, distance_rows, precision_recall


def draw(rows: int, width: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(rows, width))


def radii(features: np.ndarray, k: int) -> np.ndarray:
    return np.sort(cdist(features, features), axis=1)[:, k]  # column 0 is the row itself


def test_the_same_set_is_all_real_and_all_covered() -> None:
    features = draw(200, 16, seed=1).astype(np.float32)
    assert precision_recall(features, features.copy()) == (1, 1)
    assert density_coverage(features, features.copy()) == (1, 1)


def test_strangers_are_neither_real_nor_cover_anything() -> None:
    real, generated = draw(100, 8, seed=1), draw(120, 8, seed=2) + 1000
    assert precision_recall(real, generated) == (0, 0)
    assert density_coverage(real, generated) == (0, 0)


def test_points_on_a_line_are_counted_as_by_hand() -> None:
    real = np.array([[0.0], [1.0], [3.0], [10.0]])  # with k = 1: radii 1, 1, 2, 7
    generated = np.array([[2.5], [4.0], [-2.0]])  # with k = 1: radii 1.5, 1.5, 4.5
    # Real balls [-1, 1], [0, 2], [1, 5], [3, 17]: around 2.5 one, around 4 two, around -2 none.
    # Generated balls [1, 4], [2.5, 5.5], [-6.5, 2.5] have 0, 1 and 3 in them, not 10.
    assert precision_recall(real, generated, k=1) == pytest.approx((2 / 3, 3 / 4))
    # 0 and 1 have no generated row near, 3 and 10 have; three balls around three rows.
    assert density_coverage(real, generated, k=1) == pytest.approx((3 / 3, 2 / 4))


@pytest.mark.parametrize("unit", [1, 0.1, 0.3, 1e-7, 1e7 / 3])
def test_what_lies_on_a_ball_is_precise_and_not_dense_whatever_the_rounding(unit: float) -> None:
    real = unit * np.array([[0.0], [1.0], [3.0]])  # with k = 1: radii 1, 1, 2
    generated = unit * np.array([[-1.0], [5.0]])
    assert precision_recall(real, generated, k=1)[0] == 1
    assert density_coverage(real, generated, k=1) == (0, 0)


@pytest.mark.parametrize("k", [1, 3, 5])
def test_all_pairs_give_the_same_figures(k: int) -> None:
    real, generated = draw(70, 4, seed=1), draw(90, 4, seed=2) * 0.7 + 0.4
    apart = cdist(generated, real)
    inside = apart < radii(real, k)
    recall = (apart < radii(generated, k)[:, None]).any(axis=0).mean()
    wanted = (inside.any(axis=1).mean(), recall)
    assert precision_recall(real, generated, k) == pytest.approx(wanted)
    wanted = (inside.sum() / k / 90, inside.any(axis=0).mean())
    assert density_coverage(real, generated, k) == pytest.approx(wanted)


def test_small_pieces_give_the_same_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    real, generated = draw(70, 4, seed=1), draw(90, 4, seed=2)
    whole = precision_recall(real, generated), density_coverage(real, generated)
    monkeypatch.setattr(manifold, "CHUNK", 16)
    monkeypatch.setattr(manifold, "ENTRIES", 7 * 70)
    assert (precision_recall(real, generated), density_coverage(real, generated)) == whole


def test_new_draws_of_one_distribution_have_the_expected_density_and_coverage() -> None:
    real_rows, rows, k = 60, 40, 3
    found = [
        density_coverage(draw(real_rows, 3, seed), draw(rows, 3, seed + 1000), k)
        for seed in range(200)
    ]
    missed = np.prod([(real_rows - i) / (real_rows + rows - i) for i in range(1, k + 1)])
    scatter = 4 * np.std(found, axis=0) / np.sqrt(len(found))
    assert abs(np.mean(found, axis=0) - [1, 1 - missed]) == pytest.approx(0, abs=max(scatter))


def test_a_collapsed_generator_is_precise_and_covers_next_to_nothing() -> None:
    real = draw(200, 8, seed=1).astype(np.float32) + 100
    collapsed = np.repeat(real[7:8], 50, axis=0)
    precision, recall = precision_recall(real, collapsed)
    assert precision == 1
    assert recall == 1 / 200  # the row that is repeated, and it alone
    assert density_coverage(real, collapsed)[1] < 0.1


def test_a_generator_of_one_kind_out_of_two_has_half_the_recall_and_coverage() -> None:
    kinds = draw(100, 4, seed=1), draw(100, 4, seed=2) + 100
    half = draw(200, 4, seed=3)
    precision, recall = precision_recall(np.concatenate(kinds), half)
    assert precision > 0.8
    assert 0.3 < recall <= 0.5
    assert 0.3 < density_coverage(np.concatenate(kinds), half)[1] <= 0.5


def test_distances_are_exact_far_from_the_origin() -> None:
    points, among = draw(20, 6, seed=1) + 1e4, draw(30, 6, seed=2) + 1e4
    among[3] = points[5]
    squares = np.concatenate([piece for _, piece in distance_rows(points, among)])
    assert squares == pytest.approx(cdist(points, among) ** 2, rel=1e-9)
    assert squares[5, 3] == 0


def test_copies_are_at_no_distance_whatever_the_rounding() -> None:
    features = draw(100, 300, seed=1)
    squares = np.concatenate([piece for _, piece in distance_rows(features, features)])
    assert (squares == 0).tolist() == np.eye(100, dtype=bool).tolist()


def test_too_few_rows_are_nan_and_no_neighbours_are_refused() -> None:
    many = draw(9, 2, seed=1)
    assert np.isnan(precision_recall(many, many[:3], k=3)).all()
    assert np.isnan(precision_recall(many[:3], many, k=3)).all()
    assert np.isnan(density_coverage(many[:5], many, k=5)).all()
    assert np.isnan(density_coverage(many, many[:0])).all()
    assert not np.isnan(density_coverage(many, many[:1])).any()
    for metric in (precision_recall, density_coverage):
        with pytest.raises(ValueError, match="k is 0"):
            metric(many, many, k=0)
