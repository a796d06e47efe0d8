"""How confident a classifier is, as counts that can be compared over time and added up."""

import numpy as np
from numpy.typing import NDArray

CONFIDENCE_BINS = 50


def confidence_bin(confidence: float) -> int:
    """The bin of a confidence in [0, 1]; each is 0.02 wide, and 1 belongs to the last. What is no
    number counts as 0.
    """
    return min(int(min(1.0, max(0.0, confidence)) * CONFIDENCE_BINS), CONFIDENCE_BINS - 1)


def confidence_counts(confidences: NDArray[np.floating]) -> tuple[int, ...]:
    """How many of confidences (n,) lie in each bin of `confidence_bin`."""
    bounded = np.clip(np.nan_to_num(np.asarray(confidences, np.float64)), 0, 1)
    bins = np.minimum((bounded * CONFIDENCE_BINS).astype(np.int64), CONFIDENCE_BINS - 1)
    return tuple(map(int, np.bincount(bins, minlength=CONFIDENCE_BINS)))
