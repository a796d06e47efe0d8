"""How many images of each class are found; the worst class counts."""

import numpy as np

from leafgate.metrics.classification import class_scores, confusion
from leafgate.wording import counted
from registry.checks.check import Check, at_least
from registry.checks.evidence import Answers, ClassifierEvidence
from registry.checks.verdict import Verdict, sureness


def class_recall(evidence: ClassifierEvidence, at_least: float) -> Verdict:
    """Passes where the recall of every class is at the bound or above; a class without images
    fails, since nothing is known of it.
    """
    answers = evidence.answers
    recalls = recall_of_classes(answers)
    if not recalls or any(np.isnan(value) for value in recalls.values()):
        empty = ", ".join(name for name, value in recalls.items() if np.isnan(value)) or "any class"
        told = f"there is no test image of {empty}"
        return Verdict("class_recall", False, float("nan"), f"at least {at_least:g}", told)
    worst = min(recalls, key=lambda name: recalls[name])
    images = int((answers.truth == answers.labels.index(worst)).sum())
    value = recalls[worst]
    return Verdict(
        "class_recall",
        value >= at_least,
        value,
        f"at least {at_least:g}",
        f"the worst class is {worst}: {value:.1%} of its {counted(images, 'test image')} are found",
        sure=sureness(value, at_least, float(np.sqrt(value * (1 - value) / images))),
    )


def recall_of_classes(answers: Answers) -> dict[str, float]:
    """Recall by class; NaN for a class without images."""
    classes = len(answers.labels)
    predicted = np.where(answers.predicted < 0, classes, answers.predicted)
    scores = class_scores(confusion(answers.truth, predicted, classes + 1))[:classes]
    return {
        name: score.recall if score.support else float("nan")
        for name, score in zip(answers.labels, scores, strict=True)
    }


CHECK = Check(
    question="Does it find every class?",
    remedy="Look at what the worst class is taken for; if a person cannot tell them apart either, "
    "merge the two classes, else collect more of it.",
    judge=class_recall,
    bounds=(at_least("at_least"),),
)
