"""No output is NaN or infinite."""

import numpy as np

from registry.checks.check import Check
from registry.checks.evidence import GeneratorEvidence
from registry.checks.verdict import Verdict


def finite(evidence: GeneratorEvidence) -> Verdict:
    """Passes where every value of every picture is a number."""
    bad = float(1 - np.isfinite(evidence.outputs).mean()) if evidence.outputs.size else float("nan")
    sentence = f"{bad:.1%} of the values in {len(evidence.outputs)} pictures are not finite"
    return Verdict("finite", bad == 0, bad, "none", sentence)


CHECK = Check(
    question="Are all of its pictures numbers?",
    remedy="Training went wrong (a loss of NaN): train again with a lower learning rate.",
    judge=finite,
)
