"""What training logged agrees with what the gate measures."""

import numpy as np

from registry.checks.check import NAN, Check, at_most
from registry.checks.evidence import ClassifierEvidence
from registry.checks.macro_f1 import class_f1
from registry.checks.verdict import Verdict

FLIPPED = 2  # answers that another machine's rounding may turn
LOGGED = {"accuracy": "test_accuracy", "macro F1": "test_macro_f1"}


def logged_figures(evidence: ClassifierEvidence, differ_by_at_most: float) -> Verdict:
    """Passes where both figures were logged and agree. The figure is the largest difference.

    Two answers may always differ: few test images would else make a lie of another machine's
    rounding. On another evaluation set than the run's own there is nothing to compare.
    """
    origin = evidence.origin
    assert origin is not None  # noqa: S101 - asked for by `needs`
    bound = f"differ by at most {differ_by_at_most:g}"
    if not origin.own_set:
        told = "its run logged figures of another evaluation set: there is nothing to compare"
        return Verdict("logged_figures", True, 0.0, bound, told, "not comparable")
    missing = [metric for metric in LOGGED.values() if metric not in origin.logged]
    if missing:
        told = f"its run logged no {' and no '.join(missing)}"
        return Verdict("logged_figures", False, NAN, bound, told)
    pairs = {
        name: (origin.logged[LOGGED[name]], value) for name, value in measured(evidence).items()
    }
    gap = float(np.max([abs(logged - now) for logged, now in pairs.values()]))  # NaN stays NaN
    allowed = max(differ_by_at_most, FLIPPED / max(len(evidence.answers), 1))
    told = "; ".join(
        f"{name}: logged {logged:.4f}, measured {now:.4f}" for name, (logged, now) in pairs.items()
    )
    return Verdict("logged_figures", gap <= allowed, gap, bound, told)


def measured(evidence: ClassifierEvidence) -> dict[str, float]:
    """The same figures, from the stored artefact."""
    answers = evidence.answers
    if not len(answers):
        return dict.fromkeys(LOGGED, NAN)
    f1 = float(np.mean(class_f1(answers, np.arange(len(answers)))))
    return {"accuracy": float(answers.right.mean()), "macro F1": f1}


CHECK = Check(
    question="Did training tell the truth about it?",
    remedy="The stored model is not the one that was measured in training, or its figures were "
    "written by hand: find out which, and train again.",
    judge=logged_figures,
    bounds=(at_most("differ_by_at_most"),),
    needs=("origin",),
)
