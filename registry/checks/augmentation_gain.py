"""Where a study of the augmentation exists, it shows that generated pictures help a classifier."""

from math import isnan

from registry.checks.check import NAN, Bound, Check
from registry.checks.evidence import GeneratorEvidence
from registry.checks.verdict import Verdict


def augmentation_gain(evidence: GeneratorEvidence, lower_end_above: float) -> Verdict:
    """Passes where the lower end of the gain's interval is above the bound, or nothing was studied.

    The gain is in macro F1, as the study stored it with the generator's run.
    """
    bound = f"lower end above {lower_end_above:g}"
    gain = evidence.gain
    if gain is None:
        told = "no study of its use for training exists: whether it helps is not known"
        figure = NAN if evidence.studied else 0.0
        return Verdict(
            "augmentation_gain", not evidence.studied, figure, bound, told, "not studied"
        )
    if isnan(gain.low) or isnan(gain.high):
        told = "the study of its use for training stored no interval: whether it helps is not known"
        return Verdict("augmentation_gain", False, NAN, bound, told, "not known")
    told = (
        f"macro F1 changes by {gain.value:+.3f} with its pictures (95 % interval {gain.low:+.3f} "
        f"to {gain.high:+.3f})"
    )
    return Verdict("augmentation_gain", gain.low > lower_end_above, gain.value, bound, told)


CHECK = Check(
    question="Do its pictures make a classifier better?",
    remedy="They do not help, or too few seeds were tried to show it: do not train on them.",
    judge=augmentation_gain,
    bounds=(Bound("lower_end_above", lambda value: float(value) <= -1),),
    needs=("gain",),
)
