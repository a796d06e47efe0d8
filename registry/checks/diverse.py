"""Pictures differ among each other about as much as real images do, pixel by pixel."""

from leafgate.metrics.generative import pixel_diversity
from registry.checks.evidence import GeneratorEvidence
from registry.checks.verdict import Verdict


def diverse(evidence: GeneratorEvidence, at_least: float) -> Verdict:
    """Passes where the ratio of both diversities is at the bound or above."""
    ratio = pixel_diversity(evidence.images) / pixel_diversity(evidence.real)
    return Verdict(
        "diverse",
        ratio >= at_least,
        ratio,
        f"at least {at_least:g}",
        f"pictures differ {ratio:.2f} times as much as {len(evidence.real)} real test images "
        "(mean pixel distance; says nothing about how real they look)",
    )
