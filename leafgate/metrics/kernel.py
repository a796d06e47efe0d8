"""How far two clouds of features lie apart, with no Gaussian assumed and no bias: the KID.

Bińkowski et al. 2018, arXiv 1801.01401: the squared maximum mean discrepancy under the kernel
(x.y / d + 1)^3, unbiased, as a mean over random blocks of rows. Called KID where the features are
Inception's. Departs in its cost alone: the kernel of two rows is found once, not in every block.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Doubles = NDArray[np.float64]

LARGEST_BLOCK = 1000
CHUNK = 1024


@dataclass(frozen=True)
class KernelDistance:
    """value: mean over `blocks` random blocks of `block_size` rows of either set.

    standard_deviation: of one block's value, not of the mean; the blocks share rows, so it does not
    fall with their number.
    """

    value: float
    standard_deviation: float
    blocks: int
    block_size: int


def kernel_distance(
    real: Floats,
    generated: Floats,
    blocks: int = 50,
    block_size: int | None = None,
    seed: int = 0,
) -> KernelDistance:
    """Kernel distance of (n, d) and (m, d) features; NaN, with block size 0, for under two rows.

    Without bias at any number of rows: two draws of one distribution give values about 0, some of
    them negative. Few rows show in the scatter instead. A set against itself gives a little less
    than 0, as a row of one block meets its own copy in the other. block_size: rows drawn from each
    set for a block, without repeats; by default 1000 or half of the smaller set, whichever is less,
    and always from 2 to the smaller set. The same seed gives the same blocks. Time grows with
    (n + m)^2 d. ValueError for no blocks.
    """
    if blocks < 1:
        raise ValueError(f"blocks is {blocks}: at least one is needed")
    fewest = min(len(real), len(generated))
    if fewest < 2:
        return KernelDistance(float("nan"), float("nan"), blocks, 0)
    wanted = min(LARGEST_BLOCK, fewest // 2) if block_size is None else block_size
    size = min(max(wanted, 2), fewest)
    rng = np.random.default_rng(seed)
    in_real = _members(rng, len(real), blocks, size)
    in_generated = _members(rng, len(generated), blocks, size)
    within = _within(real, in_real) + _within(generated, in_generated)
    across = _sums(real, generated, in_real, in_generated)
    values = within / (size * (size - 1)) - 2 * across / size**2
    return KernelDistance(float(values.mean()), float(values.std()), blocks, size)


def _members(rng: np.random.Generator, rows: int, blocks: int, size: int) -> Doubles:
    """(blocks, rows): 1 for a row that is in the block, else 0."""
    chosen = np.zeros((blocks, rows))
    for block in chosen:
        block[rng.choice(rows, size, replace=False)] = 1
    return chosen


def _within(features: Floats, members: Doubles) -> Doubles:
    """(blocks,) sum of the kernel over each block's pairs of two different rows."""
    squares = np.einsum("nd,nd->n", features, features, dtype=np.float64)
    of_itself = (squares / features.shape[1] + 1) ** 3
    return _sums(features, features, members, members) - members @ of_itself


def _sums(left: Floats, right: Floats, in_left: Doubles, in_right: Doubles) -> Doubles:
    """(blocks,) sum of the kernel over each block's rows of `left` and `right`, a tile a time."""
    total = np.zeros(len(in_left))
    for start in range(0, len(left), CHUNK):
        rows = slice(start, start + CHUNK)
        ours = np.asarray(left[rows], np.float64) / left.shape[1]
        for begin in range(0, len(right), CHUNK):
            columns = slice(begin, begin + CHUNK)
            kernel = (ours @ np.asarray(right[columns], np.float64).T + 1) ** 3
            total += ((in_left[:, rows] @ kernel) * in_right[:, columns]).sum(axis=1)
    return total
