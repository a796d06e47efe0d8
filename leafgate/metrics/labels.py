"""What a labelled classifier sees in generated pictures: sure answers, all classes, the asked one.

Inception score: Salimans et al. 2016, arXiv 1606.03498; it goes by that name only with Inception's
1000 classes. All of it rests on the classifier's answers, right or wrong.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Labels = NDArray[np.integer]
Doubles = NDArray[np.float64]

RAREST = 1e-12  # a share that stands for zero, so that no divergence is infinite


def inception_score(probabilities: Floats, splits: int = 10) -> tuple[float, float]:
    """Mean and standard deviation over splits of exp(mean KL(answer, mean answer)).

    probabilities: (n, classes), rows that sum to 1. From 1 (all answers alike) to `classes` (every
    answer sure, every class as often). Splits are runs of rows, as in the paper, so rows must not
    be sorted by class; a split has at least two rows, hence fewer splits for few rows. NaN, NaN for
    fewer than two rows or no splits. Biased downwards where a split has few rows for its classes,
    and never above its rows (Chong & Forsyth 2020, arXiv 1911.07023): the paper has 5,000 in each.
    Name n with the value and compare values of equal n and splits only.
    """
    parts = min(splits, len(probabilities) // 2)
    if parts < 1:
        return float("nan"), float("nan")
    pieces = np.array_split(np.asarray(probabilities, np.float64), parts)
    scores = np.exp([entropy(piece.mean(axis=0)) - _entropies(piece).mean() for piece in pieces])
    return float(scores.mean()), float(scores.std())


def class_shares(predicted: Labels, classes: int) -> Doubles:
    """(classes,) share of each class among (n,) predicted indices; all NaN for none.

    ValueError for an index that is no class.
    """
    if not len(predicted):
        return np.full(classes, np.nan)
    counts = np.bincount(predicted, minlength=classes)
    if len(counts) > classes:
        raise ValueError(f"class index {len(counts) - 1} among {classes} classes")
    return counts / len(predicted)


def entropy(shares: Floats) -> float:
    """Entropy of (classes,) shares in nats: 0 for one class alone, log(classes) for all alike.

    Of shares counted over n pictures it is biased downwards, by about (classes - 1) / 2n.
    """
    return float(_entropies(np.asarray(shares, np.float64)[None])[0])


def divergence(shares: Floats, wanted: Floats) -> float:
    """Kullback-Leibler divergence of (classes,) shares from wanted ones in nats; 0 where equal.

    Finite: a class that is there and not wanted counts as wanted with a share of 1e-12. Of shares
    counted over n pictures it is biased upwards, by about (classes - 1) / 2n.
    """
    have = np.asarray(shares, np.float64)
    want = np.maximum(np.asarray(wanted, np.float64), RAREST)
    gain = (have * np.log(np.where(have == 0, 1, have / want))).sum()
    return float(np.maximum(gain, 0))  # keeps NaN, which max() may lose


def class_fidelity(asked: Labels, predicted: Labels) -> float:
    """Share of (n,) pictures in which the classifier sees the class asked for; NaN for none.

    Chance is the sum over classes of share asked times share predicted; the classifier's own
    accuracy on held-out real images is what a perfect generator would reach.
    """
    return float(np.mean(np.equal(asked, predicted))) if len(asked) else float("nan")


def _entropies(shares: Doubles) -> Doubles:
    """(n,) entropies of (n, classes) shares; a share of 0 adds nothing."""
    return -(shares * np.log(np.where(shares == 0, 1, shares))).sum(axis=1)
