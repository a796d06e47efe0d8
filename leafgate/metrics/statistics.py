"""How sure a figure is: bootstrap intervals (Efron 1979) that resample groups, not images; and
Wilson's interval of a share (1927, J. Am. Stat. Assoc. 22:209) where there are no groups.

Shots of one leaf are no independent evidence, so a leaf's images are drawn together.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist

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


def wilson(count: int, total: int, level: float = 0.95) -> Interval:
    """Interval of a share: `count` of `total` that are independent of each other.

    It keeps its level down to a few and at shares of 0 and 1 (Brown, Cai and DasGupta 2001, Stat.
    Sci. 16:101). All NaN of none; ValueError for a count that is none of the total.
    """
    if not 0 <= count <= total:
        raise ValueError(f"{count} of {total} is no share")
    if not total:
        return Interval(math.nan, math.nan, math.nan, level)
    z, share = NormalDist().inv_cdf((1 + level) / 2), count / total
    middle = share + z * z / (2 * total)
    reach = z * math.sqrt(share * (1 - share) / total + (z / (2 * total)) ** 2)
    low, high = ((middle + sign * reach) / (1 + z * z / total) for sign in (-1, 1))
    spread = math.sqrt(share * (1 - share) / total)
    return Interval(share, max(low, 0.0), min(high, 1.0), level, spread)
