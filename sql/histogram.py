"""Histograms that can be added up: percentiles of a month come from the counts of its hours.

Latencies lie in bins that grow by a constant factor, so that any percentile is right to 2 % of
itself, whatever its size: DDSketch, Masson, Rim and Lee 2019, arXiv 1908.10693 (there, bins are
merged at the low end when they are too many; here their range is fixed instead, 0.01 ms to 3 h).
A histogram is kept as hex digits: four for a bin, eight for its count. Two of them one after the
other are a histogram too, their sum.
"""

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from leafgate.metrics.confidences import CONFIDENCE_BINS as CONFIDENCE_BINS
from leafgate.metrics.confidences import confidence_bin as confidence_bin

ERROR = 0.02  # the most that a percentile is off, relative
GROWTH = (1 + ERROR) / (1 - ERROR)
SMALLEST_MS = 0.01
LAST = 520  # bins 0 (up to SMALLEST_MS) to LAST

_SCALE = 1 / math.log(GROWTH)
_PAIR = np.dtype([("bin", ">u2"), ("count", ">u4")])
Counts = NDArray[np.int64]


def latency_bin(milliseconds: float) -> int:
    """The bin of a latency: bin i holds values over g^(i-1), up to g^i, times the smallest."""
    if not milliseconds > SMALLEST_MS:  # NaN too
        return 0
    return min(math.ceil(math.log(milliseconds / SMALLEST_MS) * _SCALE), LAST)


def latency_of(number: int) -> float:
    """What stands for the values of a bin, in ms: at most `ERROR` away from each."""
    if number == 0:
        return SMALLEST_MS
    return float(SMALLEST_MS * 2 * GROWTH**number / (GROWTH + 1))


def encode(counts: Mapping[int, int]) -> str:
    """As it is stored."""
    return "".join(f"{number:04x}{count:08x}" for number, count in sorted(counts.items()))


def decode(texts: Iterable[str], bins: int = LAST + 1) -> Counts:
    """The sum of stored histograms: (bins,) int64."""
    pairs = np.frombuffer(bytes.fromhex("".join(texts)), dtype=_PAIR)
    counts = np.zeros(bins, np.int64)
    np.add.at(counts, pairs["bin"].astype(np.intp), pairs["count"].astype(np.int64))
    return counts


def percentiles(counts: Counts, levels: Sequence[float]) -> tuple[float, ...]:
    """Nearest-rank percentiles (levels in percent) of latencies, in ms; NaN without any."""
    total = int(counts.sum())
    if not total:
        return tuple(math.nan for _ in levels)
    ranks = [max(1, math.ceil(level / 100 * total)) for level in levels]
    found = np.searchsorted(np.cumsum(counts), ranks)
    return tuple(latency_of(int(number)) for number in found)
