"""All kinds of real pictures are among the generated ones: coverage.

Naeem et al. 2020, arXiv 2002.09797.
"""

from leafgate.metrics.manifold import density_coverage
from registry.checks.check import Check, at_least
from registry.checks.evidence import GeneratorEvidence
from registry.checks.verdict import Verdict


def coverage(evidence: GeneratorEvidence, at_least: float) -> Verdict:
    """Passes where enough real pictures have a generated one within their neighbourhood."""
    like = evidence.likeness
    assert like is not None  # noqa: S101 - asked for by `needs`
    density, covered = density_coverage(like.real, like.generated)
    return Verdict(
        "coverage",
        covered >= at_least,
        covered,
        f"at least {at_least:g}",
        f"{covered:.1%} of {len(like.real)} real pictures have a generated one ({like.name} "
        f"features) nearer than their fifth real neighbour; density is {density:.2f}, where 1 is "
        "as real ones lie",
    )


CHECK = Check(
    question="Are all kinds of real pictures among those it draws?",
    remedy="It draws some kinds only: train longer, with more images of the others, or with the "
    "conditional family.",
    judge=coverage,
    bounds=(at_least("at_least"),),
    needs=("likeness",),
)
