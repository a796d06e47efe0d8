"""How sure a figure is: bootstrap intervals (Efron 1979) that resample groups, not images.

Shots of one leaf are no independent evidence, so a leaf's images are drawn together.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Statistic = Callable[[NDArray[np.intp]], float]


@dataclass(frozen=True)
class Interval:
    """A figure with the ends of its percentile interval. level: 0.95 for 95 %."""

    value: float
    low: float
    high: float
    level: float


def bootstrap(
    statistic: Statistic,
    groups: Sequence[str],
    draws: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Interval of `statistic`, which maps row indices to a figure; `groups[i]` is row i's group.

    All NaN without rows.
    """
    if not len(groups):
        return Interval(math.nan, math.nan, math.nan, level)
    _, inverse = np.unique(np.asarray(groups), return_inverse=True)
    members = [np.flatnonzero(inverse == group) for group in range(inverse.max() + 1)]
    rng = np.random.default_rng(seed)
    values = [
        statistic(np.concatenate([members[i] for i in rng.integers(0, len(members), len(members))]))
        for _ in range(draws)
    ]
    tail = (1 - level) / 2 * 100
    low, high = np.percentile(values, [tail, 100 - tail])
    return Interval(statistic(np.arange(len(inverse))), float(low), float(high), level)
