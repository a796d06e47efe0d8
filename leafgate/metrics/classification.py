"""How good a classifier's answers are: accuracy, precision, recall, F1, confusion.

Arrays: `truth` and `predicted` are (n,) integer class indices; a class with no image and no
prediction counts as F1 0 only where it is among the `classes` asked for.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.integer]


@dataclass(frozen=True)
class ClassScore:
    """One class. support: its images; precision, recall and f1 in [0, 1]."""

    support: int
    precision: float
    recall: float
    f1: float


def confusion(truth: Labels, predicted: Labels, classes: int) -> NDArray[np.int64]:
    """(classes, classes) counts: row is the true class, column the predicted one."""
    pairs = np.asarray(truth, np.int64) * classes + np.asarray(predicted, np.int64)
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)


def accuracy(truth: Labels, predicted: Labels) -> float:
    """Share of right answers; NaN for no images."""
    return float(np.mean(truth == predicted)) if len(truth) else float("nan")


def class_scores(matrix: NDArray[np.int64]) -> tuple[ClassScore, ...]:
    """Precision, recall and F1 of each class; 0 where nothing was predicted or present."""
    right = np.diag(matrix).astype(float)
    present, claimed = matrix.sum(axis=1), matrix.sum(axis=0)
    recall = right / np.maximum(present, 1)
    precision = right / np.maximum(claimed, 1)
    f1 = 2 * right / np.maximum(present + claimed, 1)
    return tuple(
        ClassScore(int(n), float(p), float(r), float(f))
        for n, p, r, f in zip(present, precision, recall, f1, strict=True)
    )


def macro_f1(truth: Labels, predicted: Labels, classes: int) -> float:
    """Unweighted mean of the classes' F1; NaN for no images."""
    if not len(truth):
        return float("nan")
    scores = class_scores(confusion(truth, predicted, classes))
    return float(np.mean([score.f1 for score in scores]))


@dataclass(frozen=True)
class Averages:
    """Means over classes. macro: each class counts the same; weighted: each image does."""

    macro_precision: float
    macro_recall: float
    macro_f1: float
    weighted_precision: float
    weighted_recall: float
    weighted_f1: float


def averages(scores: Sequence[ClassScore]) -> Averages:
    """Macro and weighted means; NaN for no images."""
    values = np.array([(s.precision, s.recall, s.f1) for s in scores])
    weights = np.array([s.support for s in scores], float)
    if not weights.sum():
        return Averages(*[float("nan")] * 6)
    means = (values.mean(axis=0), np.average(values, axis=0, weights=weights))
    return Averages(*[float(value) for mean in means for value in mean])
