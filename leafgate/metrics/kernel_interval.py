"""How sure a kernel distance is: its bootstrap interval, both sets of images drawn anew.

The kernel distance is a U-statistic: a mean over pairs of *different* images. A bootstrap sample
holds an image several times, and the usual formula would count those copies as pairs of different
images. Their kernel k(x, x) is the largest there is, so every sample would come out too far away,
and the interval would lie beside the truth (of two draws of 60 rows from one normal distribution
in 8 dimensions it held 0 in 1 of 100 cases). Here an image is drawn as a weight, and pairs of an
image with itself are left out at any weight, in the sum and in the number of pairs it is divided
by: the samples then lie about the estimate (bootstrap of U-statistics: Bickel & Freedman 1981, Ann.
Stat. 9:1196; Arcones & Giné 1992, Ann. Stat. 20:655).

Where the distributions are the same the statistic is degenerate, and the bootstrap's variance is
three times the true one: intervals about 0 are too wide, never too narrow. Samples of m out of n
would have to be scaled back by a rate that is another one at 0 than elsewhere, and the variance of
Sutherland & Deka 2019 (arXiv 1906.02104) gives no ends for a distribution so skewed.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from leafgate.metrics.statistics import Interval

Floats = NDArray[np.floating]
Doubles = NDArray[np.float64]

DRAWS = 500
LEVEL = 0.95
CHUNK = 1024


@dataclass(frozen=True)
class _Drawn:
    """(draws + 1, n) how often each image is in each sample; in the first, each is there once."""

    features: Floats
    weights: Doubles

    @classmethod
    def of(cls, features: Floats, draws: int, rng: np.random.Generator) -> "_Drawn":
        rows = len(features)
        times = rng.multinomial(rows, np.full(rows, 1 / rows), size=draws)
        return cls(features, np.concatenate([np.ones((1, rows)), times]))

    def within(self) -> Doubles:
        """(draws + 1,) mean kernel of two different images of each sample; NaN for one alone."""
        squares = np.einsum("nd,nd->n", self.features, self.features, dtype=np.float64)
        of_itself = (squares / self.features.shape[1] + 1) ** 3
        twice = self.weights**2
        pairs = self.weights.sum(axis=1) ** 2 - twice.sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            return (self.sums(self) - twice @ of_itself) / pairs

    def across(self, other: "_Drawn") -> Doubles:
        """(draws + 1,) mean kernel of an image of each sample of this and one of the other."""
        return self.sums(other) / (len(self.features) * len(other.features))

    def sums(self, other: "_Drawn") -> Doubles:
        """(draws + 1,) sum of the kernel over all pairs of each two samples, a tile at a time."""
        total = np.zeros(len(self.weights))
        width = self.features.shape[1]
        for start in range(0, len(self.features), CHUNK):
            rows = slice(start, start + CHUNK)
            ours = np.asarray(self.features[rows], np.float64) / width
            for begin in range(0, len(other.features), CHUNK):
                columns = slice(begin, begin + CHUNK)
                kernel = (ours @ np.asarray(other.features[columns], np.float64).T + 1) ** 3
                weighted = (self.weights[:, rows] @ kernel) * other.weights[:, columns]
                total += weighted.sum(axis=1)
        return total


def kernel_interval(
    real: Floats, generated: Floats, draws: int = DRAWS, level: float = LEVEL, seed: int = 0
) -> Interval:
    """Kernel distance of (n, d) and (m, d) features over all pairs, with its percentile interval.

    value: unbiased, see `leafgate.metrics.kernel`. All NaN for under two rows, or values that are
    not finite. Images are drawn one by one: where several show one leaf the interval is too narrow.
    Time grows with (n + m)^2 (d + draws). The same seed gives the same interval.
    """
    if not _usable(real, generated):
        return _none(level)
    rng = np.random.default_rng(seed)
    ours, theirs = _Drawn.of(real, draws, rng), _Drawn.of(generated, draws, rng)
    return _interval(ours.within() + theirs.within() - 2 * ours.across(theirs), level)


def kernel_difference(
    real: Floats,
    candidate: Floats,
    champion: Floats,
    draws: int = DRAWS,
    level: float = LEVEL,
    seed: int = 0,
) -> Interval:
    """Distance of `candidate` from `real` less that of `champion`: below 0 the candidate is nearer.

    Each sample draws the real images once for both, so that what they share cancels out.
    """
    if not _usable(real, candidate, champion):
        return _none(level)
    rng = np.random.default_rng(seed)
    held_out, ours, theirs = (_Drawn.of(each, draws, rng) for each in (real, candidate, champion))
    values = ours.within() - 2 * held_out.across(ours)
    return _interval(values - theirs.within() + 2 * held_out.across(theirs), level)


def one_repeated(real: Floats) -> float:
    """What one of the (n, d) real images, repeated, would get on average: a unit for distances.

    The mean kernel of an image with itself less that of two different ones. NaN where that is not
    above 0, as for under two images or copies of one.
    """
    if not _usable(real):
        return math.nan
    each = _Drawn(real, np.ones((1, len(real))))
    squares = np.einsum("nd,nd->n", real, real, dtype=np.float64)
    unit = float(((squares / real.shape[1] + 1) ** 3).mean() - each.within()[0])
    return unit if unit > 0 else math.nan


def _usable(*sets: Floats) -> bool:
    return all(len(each) > 1 and bool(np.isfinite(each).all()) for each in sets)


def _none(level: float) -> Interval:
    return Interval(math.nan, math.nan, math.nan, level)


def _interval(values: Doubles, level: float) -> Interval:
    """values: of the images as they are, then of each sample."""
    value, samples = float(values[0]), values[1:][np.isfinite(values[1:])]  # of 2 images, one twice
    if not len(samples):
        return _none(level)
    tail = (1 - level) / 2 * 100
    low, high = np.percentile(samples, [tail, 100 - tail])
    return Interval(value, float(low), float(high), level, float(samples.std()))
