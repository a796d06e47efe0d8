"""How far two clouds of features lie apart, each taken for a Gaussian: the Fréchet distance.

Heusel et al. 2017, arXiv 1706.08500, who call it FID where the features are Inception's. Departs
from the usual code in how it finds the trace of the root of the covariances' product: with factors
A A' and B B' of the covariances it is the sum of the singular values of A' B, which is real and
exact for singular covariances too, where a matrix square root turns complex or needs an offset.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Doubles = NDArray[np.float64]

CHUNK = 1024


def frechet_of_moments(
    mean_a: Floats, covariance_a: Floats, mean_b: Floats, covariance_b: Floats
) -> float:
    """Squared distance |a - b|^2 + tr(A + B - 2 (A B)^(1/2)) of two Gaussians, in features squared.

    Means are (d,), covariances (d, d), symmetric and positive semi-definite, singular or not; what
    rounding made negative counts as zero. NaN where a value is not finite.
    """
    moments = (mean_a, mean_b, covariance_a, covariance_b)
    if not all(np.isfinite(moment).all() for moment in moments):
        return float("nan")
    apart = np.asarray(mean_a, np.float64) - np.asarray(mean_b, np.float64)
    return _distance(apart, _root(covariance_a), _root(covariance_b))


def frechet_distance(real: Floats, generated: Floats) -> float:
    """Fréchet distance of (n, d) and (m, d) features; 0 for the same set, NaN for under two rows.

    NaN too where a feature is not finite. Biased upwards, the more the fewer rows (Bińkowski et al.
    2018, arXiv 1801.01401; Chong & Forsyth 2020, arXiv 1911.07023): the excess falls about as 1/n
    and depends on the generator. Two draws of one distribution of d independent normal features of
    variance 1, whose distance is 0, come out at about d^2 / 2n for n = m: half of their variance at
    n = d. So name n and m with the value and compare values of equal n and m only; the kernel
    distance has no such bias.
    """
    if min(len(real), len(generated)) < 2:
        return float("nan")
    if not (np.isfinite(real).all() and np.isfinite(generated).all()):
        return float("nan")
    mean_a, mean_b = real.mean(axis=0, dtype=np.float64), generated.mean(axis=0, dtype=np.float64)
    return _distance(mean_a - mean_b, _spread(real, mean_a), _spread(generated, mean_b))


def _distance(apart: Doubles, factor_a: Doubles, factor_b: Doubles) -> float:
    """The distance from factors (d, any) whose product with their transpose is the covariance."""
    singular = np.linalg.svd(factor_a.T @ factor_b, compute_uv=False)
    squared = (apart**2).sum() + (factor_a**2).sum() + (factor_b**2).sum() - 2 * singular.sum()
    return max(float(squared), 0.0)  # rounding: the distance of a set to itself


def _root(covariance: Floats) -> Doubles:
    """(d, rank) factor of a covariance, without the directions that are rounding alone."""
    values, vectors = np.linalg.eigh(np.asarray(covariance, np.float64))
    kept = values > len(values) * np.finfo(np.float64).eps * values[-1]
    return vectors[:, kept] * np.sqrt(values[kept])


def _spread(features: Floats, mean: Doubles) -> Doubles:
    """(d, at most d) factor of the unbiased covariance of (n, d) features, found in flat memory."""
    rows, width = features.shape
    if rows <= width:
        return (features - mean).T / np.sqrt(rows - 1)
    covariance = np.zeros((width, width))
    for start in range(0, rows, CHUNK):
        centred = features[start : start + CHUNK] - mean
        covariance += centred.T @ centred / (rows - 1)
    return _root(covariance)
