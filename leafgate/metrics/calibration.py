"""Does a confidence of 0.8 mean right in 80 % of cases? And the one number that mends it.

Temperature scaling and the expected calibration error: Guo et al. 2017, arXiv 1706.04599.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Labels = NDArray[np.integer]

BINS = 15
TEMPERATURES = (0.05, 20.0)


@dataclass(frozen=True)
class ReliabilityBin:
    """Images with a confidence in (low, high]. confidence, accuracy: their means; NaN for none."""

    low: float
    high: float
    images: int
    confidence: float
    accuracy: float


def softmax(logits: Floats, temperature: float = 1.0) -> NDArray[np.float64]:
    """(n, classes) probabilities of logits divided by `temperature`."""
    scaled = np.asarray(logits, np.float64) / temperature
    powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def log_loss(logits: Floats, truth: Labels, temperature: float = 1.0) -> float:
    """Mean negative log-likelihood in nats; NaN for no images."""
    if not len(truth):
        return float("nan")
    chosen = softmax(logits, temperature)[np.arange(len(truth)), truth]
    return float(-np.log(np.maximum(chosen, 1e-12)).mean())


def fit_temperature(logits: Floats, truth: Labels) -> float:
    """The temperature of least log loss, to three digits; 1 for no images.

    One image more of no known class is thought of, as in Platt 1999: else a few images that are all
    classified right would ask for a confidence without end.
    """
    from scipy.optimize import minimize_scalar

    if not len(truth):
        return 1.0

    def loss(log: float) -> float:
        shares = np.maximum(softmax(logits, float(np.exp(log))), 1e-12)
        of_any = -np.log(shares).mean()
        return len(truth) * log_loss(logits, truth, float(np.exp(log))) + float(of_any)

    low, high = np.log(TEMPERATURES)
    found = minimize_scalar(loss, bounds=(low, high), method="bounded")
    return float(f"{np.exp(found.x):.3g}")


def reliability(
    confidence: Floats, right: NDArray[np.bool_], bins: int = BINS
) -> tuple[ReliabilityBin, ...]:
    """Bins of equal width over [0, 1]."""
    edges = np.linspace(0, 1, bins + 1)
    place = np.clip(np.ceil(np.asarray(confidence) * bins).astype(int) - 1, 0, bins - 1)
    made = []
    for number in range(bins):
        inside = place == number
        count = int(inside.sum())
        mean = float(np.mean(confidence[inside])) if count else float("nan")
        share = float(np.mean(right[inside])) if count else float("nan")
        made.append(
            ReliabilityBin(float(edges[number]), float(edges[number + 1]), count, mean, share)
        )
    return tuple(made)


def calibration_error(bins: tuple[ReliabilityBin, ...]) -> float:
    """Expected calibration error: mean gap of confidence and accuracy, weighted by images."""
    total = sum(item.images for item in bins)
    if not total:
        return float("nan")
    return sum(abs(b.confidence - b.accuracy) * b.images for b in bins if b.images) / total
