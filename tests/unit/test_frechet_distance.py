"""The Fréchet distance against its closed form, also where covariances are singular."""

import numpy as np
import pytest
from scipy import linalg

from leafgate.metrics.frechet import frechet_distance, frechet_of_moments


def draw(rows: int, width: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(rows, width))


def with_moments(mean: np.ndarray, covariance: np.ndarray, rows: int = 400) -> np.ndarray:
    """Rows whose sample mean and covariance are just the given ones."""
    raw = draw(rows, len(mean), seed=5)
    raw -= raw.mean(axis=0)
    white = raw @ np.linalg.inv(np.linalg.cholesky(np.cov(raw.T))).T
    return white @ np.linalg.cholesky(covariance).T + mean


def a_covariance(width: int, seed: int) -> np.ndarray:
    raw = draw(3 * width, width, seed)
    return raw.T @ raw / (3 * width)


def test_gaussians_along_the_axes_have_the_distance_of_the_closed_form() -> None:
    near, far = np.array([0.0, 1.0, 2.0]), np.array([3.0, 1.0, -2.0])
    small, large = np.array([1.0, 4.0, 9.0]), np.array([4.0, 4.0, 0.0])
    wanted = 25 + ((np.sqrt(small) - np.sqrt(large)) ** 2).sum()
    found = frechet_of_moments(near, np.diag(small), far, np.diag(large))
    assert found == pytest.approx(wanted)


def test_gaussians_at_a_slant_agree_with_the_matrix_square_root() -> None:
    one, other = a_covariance(12, seed=1), a_covariance(12, seed=2)
    root = np.real(linalg.sqrtm(one @ other))
    wanted = 12 * 0.5**2 + np.trace(one + other - 2 * root)
    found = frechet_of_moments(np.zeros(12), one, np.full(12, 0.5), other)
    assert found == pytest.approx(wanted)


def test_samples_of_known_moments_have_the_distance_of_their_moments() -> None:
    moments = (np.zeros(6), a_covariance(6, seed=1), np.ones(6), a_covariance(6, seed=2))
    real, generated = with_moments(*moments[:2]), with_moments(*moments[2:])
    assert frechet_distance(real, generated) == pytest.approx(frechet_of_moments(*moments))


@pytest.mark.parametrize("rows", [(5, 9), (5, 300), (1500, 300)])
def test_few_and_many_rows_agree_with_the_moments(rows: tuple[int, int]) -> None:
    real, generated = draw(rows[0], 40, seed=1), 2 * draw(rows[1], 40, seed=2) + 1
    moments = [(x.mean(axis=0), np.cov(x.T)) for x in (real, generated)]
    wanted = frechet_of_moments(*moments[0], *moments[1])
    assert frechet_distance(real, generated) == pytest.approx(wanted)


def test_singular_covariances_give_a_real_number() -> None:
    line, plane = np.outer([1.0, 2.0, 2.0], [1.0, 2.0, 2.0]), np.diag([1.0, 1.0, 0.0])
    # tr (A B)^(1/2) for A = v v' is the length of v under B: here that of (1, 2).
    wanted = 9 + 2 - 2 * np.sqrt(5)
    found = frechet_of_moments(np.zeros(3), line, np.zeros(3), plane)
    assert isinstance(found, float)
    assert found == pytest.approx(wanted)


def test_two_rows_each_have_the_distance_of_their_two_lines() -> None:
    real = np.array([[1.0, 0, 0, 0], [-1.0, 0, 0, 0]])
    generated = np.array([[0, 2.0, 0, 5.0], [0, -2.0, 0, 5.0]])
    assert frechet_distance(real, generated) == pytest.approx(25 + 2 + 8)


@pytest.mark.parametrize("shape", [(10, 64), (300, 64)])
def test_a_set_has_no_distance_to_itself(shape: tuple[int, int]) -> None:
    features = 100 * draw(*shape, seed=3).astype(np.float32) + 1000
    distance = frechet_distance(features, features.copy())
    assert 0 <= distance < 1e-9 * features.var(axis=0).sum()


def test_the_order_of_the_sets_does_not_matter() -> None:
    real, generated = draw(20, 30, seed=1), draw(50, 30, seed=2) * 3
    there, back = frechet_distance(real, generated), frechet_distance(generated, real)
    assert there == pytest.approx(back)


def test_the_excess_of_few_rows_is_the_documented_one() -> None:
    for rows in (64, 256, 1024):
        excess = frechet_distance(draw(rows, 64, seed=1), draw(rows, 64, seed=2))
        assert excess == pytest.approx(64**2 / (2 * rows), rel=0.15)


def test_what_cannot_be_computed_is_nan() -> None:
    many, broken = draw(5, 3, seed=1), draw(5, 3, seed=2)
    broken[2, 1] = np.inf
    assert np.isnan(frechet_distance(many, many[:1]))
    assert np.isnan(frechet_distance(many[:0], many))
    assert np.isnan(frechet_distance(many, broken))
    assert np.isnan(frechet_of_moments(np.zeros(2), np.eye(2), np.zeros(2), np.eye(2) * np.nan))
