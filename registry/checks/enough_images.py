"""There are enough test images to judge by."""

from registry.checks.check import Check, at_least
from registry.checks.evidence import ClassifierEvidence, Evidence
from registry.checks.verdict import Verdict


def enough_images(evidence: Evidence, at_least: float) -> Verdict:
    """Passes where the evaluation set has at least so many images."""
    judged = evidence.answers if isinstance(evidence, ClassifierEvidence) else evidence.real
    images = len(judged)
    return Verdict(
        "enough_images",
        images >= at_least,
        images,
        f"at least {at_least:g}",
        f"the evaluation set has {images} images",
    )


CHECK = Check(
    question="Are there enough test images to judge by?",
    remedy="Split with a larger share for the test side, or collect more images; with few, every "
    "figure below is mostly luck.",
    judge=enough_images,
    bounds=(at_least("at_least", idle_at=1),),
)
