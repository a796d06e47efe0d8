"""Every answer of a classifier has a confidence that is a number."""

import numpy as np

from registry.checks.check import Check
from registry.checks.evidence import ClassifierEvidence
from registry.checks.verdict import Verdict


def finite_answers(evidence: ClassifierEvidence) -> Verdict:
    """Passes where there are answers and all of them are numbers."""
    confidence = evidence.answers.confidence
    bad = float(1 - np.isfinite(confidence).mean()) if len(confidence) else float("nan")
    sentence = f"{bad:.1%} of {len(confidence)} answers are no number"
    return Verdict("finite", bad == 0, bad, "none", sentence)


CHECK = Check(
    question="Are all of its answers numbers?",
    remedy="Training went wrong (a loss of NaN): train again with a lower learning rate.",
    judge=finite_answers,
)
