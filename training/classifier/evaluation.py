"""How good the stored classifier is on one side, with intervals, as figures and pictures."""

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from leafgate.images import Pixels
from leafgate.metrics.classification import (
    ClassScore,
    accuracy,
    class_scores,
    confusion,
    macro_f1,
)
from leafgate.metrics.statistics import Interval, bootstrap
from registry import Classifier

BATCH = 64


@dataclass(frozen=True)
class Evaluation:
    """Figures on one side. confusion: rows true, columns predicted, in the order of `labels`."""

    labels: tuple[str, ...]
    images: int
    accuracy: Interval
    macro_f1: Interval
    weighted_f1: float
    classes: dict[str, ClassScore]
    confusion: list[list[int]]

    def metrics(self, side: str) -> dict[str, float]:
        """Flat figures for MLflow, prefixed with the side."""
        flat = {"weighted_f1": self.weighted_f1}
        for name, interval in (("accuracy", self.accuracy), ("macro_f1", self.macro_f1)):
            flat |= {
                name: interval.value,
                f"{name}_low": interval.low,
                f"{name}_high": interval.high,
            }
        return {f"{side}_{name}": value for name, value in flat.items()}

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self)


def evaluate(
    classifier: Classifier, images: Pixels, truth: NDArray[np.int64], groups: list[str]
) -> Evaluation:
    """Measure the stored form on (n, size, size, 3) images; groups: leaf group of each."""
    labels = classifier.description.labels
    predicted = predict_classes(classifier, images)
    matrix = confusion(truth, predicted, len(labels))
    scores = class_scores(matrix)
    weights = np.array([score.support for score in scores])
    return Evaluation(
        labels=labels,
        images=len(images),
        accuracy=bootstrap(lambda rows: accuracy(truth[rows], predicted[rows]), groups),
        macro_f1=bootstrap(
            lambda rows: macro_f1(truth[rows], predicted[rows], len(labels)), groups
        ),
        weighted_f1=float(np.average([score.f1 for score in scores], weights=weights)),
        classes=dict(zip(labels, scores, strict=True)),
        confusion=matrix.tolist(),
    )


def predict_classes(classifier: Classifier, images: Pixels) -> NDArray[np.int64]:
    """(n,) index of the most probable class."""
    parts = [
        classifier.probabilities(images[start : start + BATCH]).argmax(axis=1)
        for start in range(0, len(images), BATCH)
    ]
    return np.concatenate(parts).astype(np.int64)
