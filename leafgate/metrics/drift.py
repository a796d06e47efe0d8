"""How far counts have moved from those of a reference, and how far chance alone would move them.

Population stability index: sum of (p - q) ln(p / q) over the bins, the symmetric Kullback-Leibler
divergence of Jeffreys (1946); its rule of thumb, below 0.1 steady and from 0.25 on moved, is that
of credit scoring (Siddiqi 2006, Credit Risk Scorecards). That it would show something without any
drift: with samples of n and m it is distributed like (1/n + 1/m) times chi-square with as many
degrees of freedom as bins less one (Yurdakul and Naranjo 2020, J. Risk Model Valid. 14(4)).
Jensen-Shannon divergence (Lin 1991, IEEE Trans. Inf. Theory 37:145) in bits: 0 for the same, 1 for
nothing in common.

A bin that is empty on one side would make the index infinite, so half an observation is added to
every bin of both sides (Jeffreys' prior for proportions, Krichevsky and Trofimov 1981). The
Jensen-Shannon divergence needs none, and gets none.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.integer] | NDArray[np.float64] | Sequence[int]
Floats = NDArray[np.float64]
Verdict = Literal["too_few", "steady", "moving", "drifted"]

MOVING, DRIFTED = 0.1, 0.25
ADDED = 0.5  # observations, to each bin
LEAST_SHARE = 0.1  # of the reference, in a bin of `even_bins`
SEVERITY: tuple[Verdict, ...] = ("too_few", "steady", "moving", "drifted")


@dataclass(frozen=True)
class Distance:
    """How far counts are from a reference. noise: what `psi` stays below in 95 % without drift.

    js: in bits; psi and js are NaN where one side has no observations. enough: whether there are
    so many on both sides that chance alone would not make the index look like movement.
    """

    psi: float
    js: float
    noise: float

    @property
    def enough(self) -> bool:
        """The noise is below 0.1, from where on the index is taken for movement: fewer samples
        could not tell the two apart. With 15 bins it takes 240 against a large reference, or 480
        on both sides.
        """
        return self.noise < MOVING

    @property
    def verdict(self) -> Verdict:
        """By the rule of thumb, where the samples allow one."""
        if not self.enough:
            return "too_few"
        if self.psi < MOVING:
            return "steady"
        return "moving" if self.psi < DRIFTED else "drifted"


def distance(reference: Counts, counts: Counts) -> Distance:
    """Between two histograms of the same bins, (bins,) each; a bin that both leave empty is none.
    ValueError for other shapes.
    """
    ours, theirs = np.asarray(counts, np.float64), np.asarray(reference, np.float64)
    if ours.shape != theirs.shape or ours.ndim != 1:
        raise ValueError(f"counts of {ours.shape} bins against {theirs.shape}")
    if not ours.sum() or not theirs.sum():
        return Distance(math.nan, math.nan, math.inf)
    used = ours + theirs > 0
    ours, theirs = ours[used], theirs[used]
    noise = psi_noise(int(theirs.sum()), int(ours.sum()), len(ours))
    return Distance(psi(theirs, ours), jensen_shannon(theirs, ours), noise)


def psi(reference: Counts, counts: Counts) -> float:
    """Population stability index, with half an observation more in every bin."""
    p, q = (_shares(np.asarray(side, np.float64) + ADDED) for side in (counts, reference))
    return float(((p - q) * np.log(p / q)).sum())


def jensen_shannon(reference: Counts, counts: Counts) -> float:
    """Jensen-Shannon divergence in bits, in [0, 1]. Both sides need an observation."""
    p, q = (_shares(np.asarray(side, np.float64)) for side in (counts, reference))
    middle = (p + q) / 2
    return float(min(max((_relative(p, middle) + _relative(q, middle)) / 2, 0.0), 1.0))


def psi_noise(reference: int, samples: int, bins: int, level: float = 0.95) -> float:
    """What the index stays below in `level` of cases when nothing has moved.

    reference, samples: observations on the two sides, one at least; bins: those that either uses.
    """
    return (1 / reference + 1 / samples) * chi_square_quantile(level, max(bins - 1, 1))


def samples_needed(reference: int, bins: int) -> int | None:
    """How many samples it takes until `Distance.enough`; None: no number would do, since the
    reference itself is too small.
    """
    left = MOVING / chi_square_quantile(0.95, max(bins - 1, 1)) - 1 / reference
    return math.floor(1 / left) + 1 if left > 0 else None


def chi_square_quantile(level: float, degrees: int) -> float:
    """By Wilson and Hilferty (1931, PNAS 17:684): 3 % off for one degree of freedom, at most 1 %
    for two, and less for more, at the levels that are in use. SciPy's takes most of a second to
    load.
    """
    spread = 2 / (9 * degrees)
    return float(degrees * (1 - spread + NormalDist().inv_cdf(level) * math.sqrt(spread)) ** 3)


def even_bins(reference: Counts, counts: Counts) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Neighbouring bins put together until each holds a tenth of the reference: two histograms.

    Fine bins, most of them all but empty, add noise and nothing else. A bin that holds a tenth by
    itself stays apart from what is below it, however little that is: it is where things may move
    to. Two bins at least, where there were two.
    """
    theirs, ours = np.asarray(reference, np.int64), np.asarray(counts, np.int64)
    least = LEAST_SHARE * theirs.sum()
    starts, held = [0], 0
    for number, count in enumerate(theirs.tolist()):
        if number > starts[-1] and (held >= least or count >= least):
            starts.append(number)
            held = 0
        held += count
    if held < least and len(starts) > 2:
        starts.pop()
    return np.add.reduceat(theirs, starts), np.add.reduceat(ours, starts)


def worst(verdicts: Sequence[Verdict]) -> Verdict:
    """The gravest; too few samples are the least."""
    return max(verdicts, key=SEVERITY.index)


def _shares(counts: Floats) -> Floats:
    return counts / counts.sum()


def _relative(p: Floats, q: Floats) -> float:
    """Kullback-Leibler divergence in bits; q is above 0 where p is."""
    some = p > 0
    return float((p[some] * np.log2(p[some] / q[some])).sum())
