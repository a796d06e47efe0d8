"""Under worse conditions it is still right, or says that it does not know.

A wrong diagnosis that comes without a warning does harm; one that is refused does not. So not the
accuracy under each change is bounded, but the share of answers that are wrong and not called
unknown.
"""

import numpy as np

from registry.checks.check import Check, at_most
from registry.checks.evidence import Answers, ClassifierEvidence, Corrupted
from registry.checks.verdict import Verdict, sureness


def robustness(evidence: ClassifierEvidence, misled_at_most: float) -> Verdict:
    """Passes where few answers mislead under the worst change."""
    found = evidence.corrupted
    assert found is not None  # noqa: S101 - asked for by `needs`
    figures = misled_under(found)
    worst = max(figures, key=lambda name: figures[name])
    value, images = figures[worst], len(found.truth)
    right = float((found.predicted[worst] == found.truth).mean())
    refused = float(found.unknown[worst].mean())
    return Verdict(
        "robustness",
        value <= misled_at_most,
        value,
        f"at most {misled_at_most:g} under the worst change",
        f"the worst change is {worst}: {value:.1%} of {images} answers are wrong and come without "
        f"a warning ({right:.1%} are right, {refused:.1%} called unknown; as they were taken "
        f"{misled(evidence.answers):.1%} mislead)",
        sure=sureness(value, misled_at_most, float(np.sqrt(value * (1 - value) / max(images, 1)))),
    )


def misled_under(corrupted: Corrupted) -> dict[str, float]:
    """Share of answers that are wrong and not called unknown, by the name of the change."""
    return {
        name: float(((predicted != corrupted.truth) & ~corrupted.unknown[name]).mean())
        for name, predicted in corrupted.predicted.items()
    }


def misled(answers: Answers) -> float:
    """The same share among the images as they were taken."""
    return float((~answers.right & ~answers.unknown).mean())


CHECK = Check(
    question="When a picture is blurred or dark, is it right, or does it say that it is unsure?",
    remedy="Train with stronger random views of that kind (sharpness, noise, brightness, rotation "
    "in the training's settings), or with pictures taken in the field.",
    judge=robustness,
    bounds=(at_most("misled_at_most"),),
    needs=("corrupted",),
)
