"""F1 averaged over the classes, each counting the same, with its interval."""

import numpy as np
from numpy.typing import NDArray

from leafgate.metrics.classification import class_scores, confusion
from leafgate.metrics.statistics import bootstrap
from registry.checks.accuracy import bound_told, reaches
from registry.checks.check import Check, at_least
from registry.checks.evidence import Answers, ClassifierEvidence
from registry.checks.verdict import Verdict, sureness


def macro_f1(
    evidence: ClassifierEvidence, at_least: float, lower_end_at_least: float | None = None
) -> Verdict:
    """Passes at the bound and above; the sentence names the weakest class."""
    answers = evidence.answers
    interval = bootstrap(lambda rows: float(np.mean(class_f1(answers, rows))), answers.groups)
    each = class_f1(answers, np.arange(len(answers)))
    weakest = int(np.argmin(each))
    return Verdict(
        "macro_f1",
        reaches(interval, at_least, lower_end_at_least),
        interval.value,
        bound_told(at_least, lower_end_at_least),
        f"macro F1 is {interval.value:.3f} (95 % interval {interval.low:.3f} to "
        f"{interval.high:.3f}); the weakest class is {answers.labels[weakest]} "
        f"with {each[weakest]:.3f}",
        sure=sureness(interval.value, at_least, interval.spread),
    )


def class_f1(answers: Answers, rows: NDArray[np.intp]) -> list[float]:
    """F1 of each class among these rows."""
    classes = len(answers.labels)
    # An answer that is no known class (-1) takes the place of one more, which has no images.
    predicted = np.where(answers.predicted < 0, classes, answers.predicted)[rows]
    matrix = confusion(answers.truth[rows], predicted, classes + 1)
    return [score.f1 for score in class_scores(matrix)[:classes]]


CHECK = Check(
    question="Is it good at every class, rare ones included?",
    remedy="The rare classes decide this figure: collect or generate more of the weakest one, or "
    "train with class weights.",
    judge=macro_f1,
    bounds=(at_least("at_least"), at_least("lower_end_at_least", optional=True)),
)
