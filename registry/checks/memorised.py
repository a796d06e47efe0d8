"""It invents pictures, and does not hand back those it learnt from.

After Meehan et al. 2020, arXiv 2004.05675; see `leafgate.metrics.memorisation`.
"""

import numpy as np

from leafgate.metrics.memorisation import Memorisation, memorisation
from registry.checks.check import Check, at_most
from registry.checks.evidence import GeneratorEvidence, Likeness
from registry.checks.verdict import Verdict, sureness


def memorised(evidence: GeneratorEvidence, share_at_most: float) -> Verdict:
    """Passes where few pictures lie as near to a training image as few held-out real ones do."""
    like = evidence.likeness
    assert like is not None  # noqa: S101 - asked for by `needs`
    found = nearness(like)
    few = 1 / max(len(like.real), 1) + 1 / max(len(like.generated), 1)
    spread = float(np.sqrt(found.expected * (1 - found.expected) * few))
    return Verdict(
        "memorised",
        found.share <= share_at_most,
        found.share,
        f"at most {share_at_most:g}",
        f"{found.share:.1%} of {len(like.generated)} pictures lie suspiciously near to a training "
        f"image ({like.name} features); {found.expected:.1%} would if nothing were memorised, all "
        "of them if training images were replayed",
        sure=sureness(found.share, share_at_most, spread),
    )


def nearness(like: Likeness) -> Memorisation:
    """Nearest pairs and shares of this evidence."""
    return memorisation(like.train, like.real, like.generated)


CHECK = Check(
    question="Does it invent pictures, rather than hand back those it learnt from?",
    remedy="It copies its training images, which adds nothing to a training set and may show "
    "pictures that are not yours to show: train on more images, for fewer epochs, or with "
    "DiffAugment.",
    judge=memorised,
    bounds=(at_most("share_at_most"),),
    needs=("likeness",),
)
