"""F1 averaged over the classes, each counting the same, with its interval."""

import numpy as np
from numpy.typing import NDArray

from leafgate.metrics.classification import class_scores, confusion
from leafgate.metrics.statistics import bootstrap
from registry.checks.evidence import ClassifierEvidence
from registry.checks.verdict import Verdict


def macro_f1(evidence: ClassifierEvidence, at_least: float) -> Verdict:
    """Passes at the bound and above; the sentence names the weakest class."""
    classes = len(evidence.labels)
    # An answer that is no known class (-1) takes the place of one more, which has no images.
    predicted = np.where(evidence.predicted < 0, classes, evidence.predicted)

    def figures(rows: NDArray[np.intp]) -> list[float]:
        matrix = confusion(evidence.truth[rows], predicted[rows], classes + 1)
        return [score.f1 for score in class_scores(matrix)[:classes]]

    interval = bootstrap(lambda rows: float(np.mean(figures(rows))), evidence.groups)
    each = figures(np.arange(len(predicted)))
    weakest = int(np.argmin(each))
    return Verdict(
        "macro_f1",
        interval.value >= at_least,
        interval.value,
        f"at least {at_least:g}",
        f"macro F1 is {interval.value:.3f} (95 % interval {interval.low:.3f} to "
        f"{interval.high:.3f}); the weakest class is {evidence.labels[weakest]} "
        f"with {each[weakest]:.3f}",
    )
