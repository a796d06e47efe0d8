"""How sure a figure is: bootstrap intervals (Efron 1979) that resample groups, not images.

Shots of one leaf are no independent evidence, so a leaf's images are drawn together.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Statistic = Callable[[NDArray[np.intp]], float]


@dataclass(frozen=True)
class Interval:
    """A figure with the ends of its percentile interval. level: 0.95 for 95 %.

    spread: the standard deviation of the figure from draw to draw.
    """

    value: float
    low: float
    high: float
    level: float
    spread: float = math.nan


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
    value = statistic(np.arange(len(inverse)))
    return Interval(value, float(low), float(high), level, float(np.std(values)))


def share(flags: NDArray[np.bool_], groups: Sequence[str], draws: int = 1000) -> Interval:
    """Interval of the share of true `flags`, (n,).

    Where all are alike the bootstrap has nothing to draw from, and would call the figure certain:
    the open end is then the exact one (Clopper and Pearson 1934) for as many images as groups.
    """
    found = bootstrap(lambda rows: float(flags[rows].mean()), groups, draws)
    if found.spread > 0 or math.isnan(found.value):
        return found
    end = ((1 - found.level) / 2) ** (1 / len(set(groups)))
    low, high = (end, 1.0) if found.value else (0.0, 1 - end)
    return replace(found, low=low, high=high)
