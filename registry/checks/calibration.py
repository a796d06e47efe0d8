"""A confidence of 0.8 means right in 80 % of cases: the expected calibration error."""

import numpy as np
from numpy.typing import NDArray

from leafgate.metrics.calibration import calibration_error, reliability
from leafgate.metrics.statistics import bootstrap
from registry.checks.check import Check, at_most, not_measured
from registry.checks.evidence import ClassifierEvidence
from registry.checks.verdict import Verdict, sureness


def calibration(evidence: ClassifierEvidence, error_at_most: float) -> Verdict:
    """Passes where confidence and accuracy lie near enough, on average over 15 bins."""
    answers = evidence.answers
    if not np.isfinite(answers.confidence).all():
        return not_measured("calibration", "some confidences are no numbers")
    interval = bootstrap(
        lambda rows: calibration_error(reliability(answers.confidence[rows], answers.right[rows])),
        answers.groups,
        draws=200,
    )
    told = f"confidence is off by {100 * interval.value:.1f} points on average"
    return Verdict(
        "calibration",
        interval.value <= error_at_most,
        interval.value,
        f"at most {error_at_most:g}",
        f"{told}: it says {_mean(answers.confidence):.1%} and is right in "
        f"{_mean(answers.right):.1%} (ECE, 15 bins, {len(answers)} images)",
        sure=sureness(interval.value, error_at_most, interval.spread),
    )


def _mean(values: NDArray[np.generic]) -> float:
    return float(values.mean()) if values.size else float("nan")


CHECK = Check(
    question="Can its confidence be believed?",
    remedy="Temperature scaling on the validation side is part of training: a large error means "
    "that test images differ from validation images, or that the stored temperature was changed.",
    judge=calibration,
    bounds=(at_most("error_at_most"),),
)
