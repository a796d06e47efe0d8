"""How far generated pictures lie from held-out real ones: the kernel distance, in its own unit.

Bińkowski et al. 2018, arXiv 1801.01401. It is called KID where the features are Inception's and
kernel distance otherwise. Departs in its unit: 1 is what the same real picture, repeated, would get
on average, so that one bound serves any features.
"""

import numpy as np

from leafgate.metrics.kernel import kernel_distance as unscaled
from registry.checks.check import Check, at_most
from registry.checks.evidence import Floats, GeneratorEvidence, Likeness
from registry.checks.verdict import Verdict, sureness


def kernel_distance(evidence: GeneratorEvidence, at_most: float) -> Verdict:
    """Passes where the distance to held-out real pictures is at the bound or below."""
    like = evidence.likeness
    assert like is not None  # noqa: S101 - asked for by `needs`
    value, spread = relative_distance(like.real, like.generated)
    return Verdict(
        "kernel_distance",
        value <= at_most,
        value,
        f"at most {at_most:g} of one picture repeated",
        f"{distance_name(like)} is {value:.3f} between {len(like.generated)} generated and "
        f"{len(like.real)} held-out real pictures, where 0 is as near as real ones and 1 is one "
        f"real picture over and over; features: {like.about}",
        sure=sureness(value, at_most, spread),
    )


def distance_name(like: Likeness) -> str:
    """KID for Inception's features only."""
    return "KID" if like.name == "inception" else f"kernel distance ({like.name} features)"


def relative_distance(real: Floats, generated: Floats) -> tuple[float, float]:
    """(value, spread): kernel distance over that of one real picture repeated, and its deviation.

    The divisor is the mean kernel of a picture with itself less that of two different ones. NaN
    for fewer than two pictures of either.
    """
    found = unscaled(real, generated)
    if not found.block_size:
        return float("nan"), float("nan")
    exact = np.asarray(real, np.float64)
    kernel = (exact @ exact.T / exact.shape[1] + 1) ** 3
    count, itself = len(kernel), np.trace(kernel)
    unit = itself / count - (kernel.sum() - itself) / (count * (count - 1))
    share = found.block_size / min(len(real), len(generated))
    if not unit > 0:
        return float("nan"), float("nan")
    return found.value / unit, found.standard_deviation * np.sqrt(share) / unit


CHECK = Check(
    question="Do its pictures look like real ones, to a network that has learnt to see?",
    remedy="Train longer, on more images, or with the conditional family; look at the pictures "
    "beside real ones to see what is amiss.",
    judge=kernel_distance,
    bounds=(at_most("at_most", idle_at=10),),
    needs=("likeness",),
)
