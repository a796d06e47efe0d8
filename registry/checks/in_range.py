"""Outputs lie in [-1, 1], so that making pixels of them cuts nothing off."""

import numpy as np

from registry.checks.check import Check, at_most
from registry.checks.evidence import GeneratorEvidence
from registry.checks.verdict import Verdict


def in_range(evidence: GeneratorEvidence, tolerance: float) -> Verdict:
    """Passes where no value lies further outside than `tolerance`."""
    largest = float(np.abs(evidence.outputs).max()) if evidence.outputs.size else float("nan")
    sentence = f"the largest output is {largest:.4f}; pixels need -1 to 1"
    return Verdict(
        "in_range", largest <= 1 + tolerance, largest, f"at most {1 + tolerance:g}", sentence
    )


CHECK = Check(
    question="Do its outputs fit into pixels?",
    remedy="The network must end in a tanh: train it with one of LeafGate's families.",
    judge=in_range,
    bounds=(at_most("tolerance", idle_at=1000),),
)
