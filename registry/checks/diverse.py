"""Pictures differ among each other about as much as real images do, pixel by pixel."""

from leafgate.metrics.generative import pixel_diversity
from registry.checks.check import Check, at_least
from registry.checks.evidence import GeneratorEvidence
from registry.checks.verdict import Verdict


def diverse(evidence: GeneratorEvidence, at_least: float) -> Verdict:
    """Passes where the ratio of both diversities is at the bound or above."""
    real = pixel_diversity(evidence.real)
    ratio = pixel_diversity(evidence.images) / real if real else float("nan")
    return Verdict(
        "diverse",
        ratio >= at_least,
        ratio,
        f"at least {at_least:g}",
        f"pictures differ {ratio:.2f} times as much as {len(evidence.real)} real test images "
        "(mean pixel distance; says nothing about how real they look)",
    )


CHECK = Check(
    question="Do its pictures differ as much as real ones do?",
    remedy="Longer training, or DiffAugment, which few images need.",
    judge=diverse,
    bounds=(at_least("at_least"),),
)
