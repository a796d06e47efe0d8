"""The generator has not collapsed: different latents give different pictures."""

from leafgate.metrics.generative import near_copies, pixel_diversity
from registry.checks.check import Check, at_most
from registry.checks.evidence import GeneratorEvidence
from registry.checks.verdict import Verdict

NEAR = 0.05  # of the mean distance between two real images: hardly told apart by eye


def not_collapsed(evidence: GeneratorEvidence, near_copies_at_most: float) -> Verdict:
    """Passes where few pictures have a near copy among the others."""
    share = near_copies(evidence.images, NEAR * pixel_diversity(evidence.real))
    return Verdict(
        "not_collapsed",
        share <= near_copies_at_most,
        share,
        f"at most {near_copies_at_most:g}",
        f"{share:.1%} of {len(evidence.images)} pictures have a near copy among the others",
    )


CHECK = Check(
    question="Does it draw different pictures, rather than one over and over?",
    remedy="Mode collapse: train again with another seed, a lower learning rate of the "
    "discriminator, or more images; the conditional family collapses least.",
    judge=not_collapsed,
    bounds=(at_most("near_copies_at_most"),),
)
