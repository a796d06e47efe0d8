"""Are the pictures real, and are all real kinds among them? Two pairs of answers from neighbours.

Precision and recall: Kynkäänniemi et al. 2019, arXiv 1904.06991. Density and coverage: Naeem et al.
2020, arXiv 2002.09797. Both draw around each row a ball that reaches to its k-th nearest other row
of its own set, itself not counted, and ask which rows of the other set lie in the balls.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Doubles = NDArray[np.float64]

CHUNK = 1024
ENTRIES = 8_000_000  # of a piece of the distances: 64 MB
ROUNDING = 1e-12  # of squared lengths: what is nearer is the same row
MARGIN = 1e-9  # of a squared radius: what lies on a ball must not be in or out by rounding


def precision_recall(real: Floats, generated: Floats, k: int = 3) -> tuple[float, float]:
    """Precision and recall of (m, d) generated against (n, d) real features, each in [0, 1].

    precision: share of generated rows within a real row's ball; recall: share of real rows within a
    generated row's ball. Balls are closed. NaN, NaN where either set has fewer than k + 1 rows.
    Two draws of one distribution do not reach 1, and how near they come depends on n, m, d and k:
    fewer rows make wider balls, and one outlier's ball may take in much that is not real. So name n
    and m with the values and compare values of equal n, m and k only. ValueError for k under 1.
    """
    if min(len(real), len(generated)) < k + 1:
        return float("nan"), float("nan")
    reach_real = _reach(real, k) * (1 + MARGIN)
    reach_generated = _reach(generated, k) * (1 + MARGIN)
    is_real = np.zeros(len(generated), bool)
    is_reached = np.zeros(len(real), bool)
    for rows, squares in distance_rows(generated, real):
        is_real[rows] = (squares <= reach_real).any(axis=1)
        is_reached |= (squares <= reach_generated[rows, None]).any(axis=0)
    return float(is_real.mean()), float(is_reached.mean())


def density_coverage(real: Floats, generated: Floats, k: int = 5) -> tuple[float, float]:
    """Density (0 or more) and coverage (in [0, 1]) of (m, d) generated, (n, d) real features.

    density: real balls around a generated row, over k, on average; coverage: share of real rows
    with a generated row in their ball. Balls are open, as in the authors' code. NaN, NaN for fewer
    than k + 1 real or no generated rows. Two draws of one distribution have an expected density of
    1 at any n, m and d; it may exceed 1 where generated rows crowd where real ones are dense. Their
    expected coverage is 1 - (n-1)...(n-k) / ((n+m-1)...(n+m-k)): about 1 - 2^-k for n = m, less
    for m < n, near 1 for m much larger. So name n and m with the values and compare coverage at
    equal n, m and k only. ValueError for k under 1.
    """
    if len(real) < k + 1 or not len(generated):
        return float("nan"), float("nan")
    reach = _reach(real, k) * (1 - MARGIN)
    inside, is_covered = 0, np.zeros(len(real), bool)
    for _, squares in distance_rows(generated, real):
        within = squares < reach
        inside += int(within.sum())
        is_covered |= within.any(axis=0)
    return inside / (k * len(generated)), float(is_covered.mean())


def distance_rows(points: Floats, among: Floats) -> Iterator[tuple[slice, Doubles]]:
    """Squared distances of (n, d) `points` to (m, d) `among` by pieces, in flat memory.

    Yields the rows of `points` in a piece, and their (rows, m) distances. Exact to about 1e-15 of
    the rows' squared lengths about the mean of `among`; rows that are the same to that are at 0.
    """
    centre = among.mean(axis=0, dtype=np.float64)  # shorter rows round less
    step = min(CHUNK, max(1, ENTRIES // len(among)))
    for start in range(0, len(points), step):
        rows = slice(start, start + step)
        ours = points[rows] - centre
        squares = np.empty((len(ours), len(among)))
        for begin in range(0, len(among), CHUNK):
            columns = slice(begin, begin + CHUNK)
            squares[:, columns] = _squares(ours, among[columns] - centre)
        yield rows, squares


def _squares(left: Doubles, right: Doubles) -> Doubles:
    lengths = (left**2).sum(axis=1)[:, None] + (right**2).sum(axis=1)
    squares = lengths - 2 * left @ right.T
    squares[squares < ROUNDING * lengths] = 0
    return squares


def _reach(features: Floats, k: int) -> Doubles:
    """(n,) squared distance of each row to its k-th nearest other row."""
    if k < 1:
        raise ValueError(f"k is {k}: at least one neighbour is needed")
    reach = np.empty(len(features))
    for rows, squares in distance_rows(features, features):
        own = np.arange(len(squares))
        squares[own, own + rows.start] = np.inf
        reach[rows] = np.partition(squares, k - 1, axis=1)[:, k - 1]
    return reach
