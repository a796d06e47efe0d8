"""How much of the accuracy is left when pictures are taken under worse conditions."""

import numpy as np
from numpy.typing import NDArray

from leafgate.corruptions import CORRUPTIONS
from leafgate.metrics.classification import accuracy, macro_f1
from registry import Classifier
from training.classifier.finished import Side, judge_all


def robustness(classifier: Classifier, side: Side, seed: int = 0) -> dict[str, dict[str, float]]:
    """Accuracy, macro F1 and share called unknown under each change."""
    table = {}
    for number, (name, change) in enumerate(CORRUPTIONS.items()):
        rng = np.random.default_rng([seed, number])
        changed = np.stack([change(image, rng) for image in side.images])
        judged = judge_all(classifier, changed)
        predicted = judged.logits.argmax(axis=1)
        table[name] = {
            "accuracy": accuracy(side.truth, predicted),
            "macro_f1": macro_f1(side.truth, predicted, judged.logits.shape[1]),
            "unknown": unknown_share(classifier, judged.scores),
        }
    return table


def unknown_share(classifier: Classifier, scores: NDArray[np.float64]) -> float:
    """Share of images that the stored threshold calls unknown; NaN without an outlier score."""
    if classifier.outliers is None:
        return float("nan")
    return float((scores > float(classifier.outliers.threshold)).mean())
