"""Each stored form answers as well as the network that was trained (TensorFlow's)."""

from collections.abc import Mapping

from registry.checks.check import Check, at_most
from registry.checks.evidence import Answers, ClassifierEvidence
from registry.checks.verdict import Verdict

REFERENCE = "tensorflow"
PYFUNC = "pyfunc"
ROUNDING = 1e-9  # of differences of shares


def engine_forms(
    evidence: ClassifierEvidence,
    fp32_loses_at_most: float,
    bf16_loses_at_most: float,
    int8_loses_at_most: float,
) -> Verdict:
    """Passes where no form loses more accuracy than its margin, and MLflow runs the model as we do.

    The figure is the largest loss. The PyFunc has the widest margin, as it may run any form. One
    answer may always be lost: of few test images it would else be more than any margin.
    """
    margins = {"fp32": fp32_loses_at_most, "bf16": bf16_loses_at_most, "int8": int8_loses_at_most}
    forms = evidence.forms or {}
    losses, one_answer = losses_of(forms), 1 / max(map(len, forms.values()), default=1)
    worst = max(losses, key=lambda name: losses[name], default="")
    over = [
        name
        for name, lost in losses.items()
        if not lost <= max(_margin(name, margins), one_answer) + ROUNDING
    ]
    listed = ", ".join(f"{name} {0 - 100 * lost:+.1f}" for name, lost in losses.items())
    return Verdict(
        "engine_forms",
        bool(losses) and not over,
        losses.get(worst, float("nan")),
        ", ".join(f"{form} loses at most {margin:g}" for form, margin in margins.items()),
        f"points of accuracy against TensorFlow's form: {listed or 'no other form is stored'}"
        + (f"; outside its margin: {', '.join(over)}" if over else ""),
    )


def _margin(name: str, margins: Mapping[str, float]) -> float:
    return margins.get(name.removeprefix("openvino-"), max(margins.values()))


def losses_of(forms: Mapping[str, Answers]) -> dict[str, float]:
    """Accuracy that each other form loses, in [-1, 1]; NaN where TensorFlow's is not there."""
    right = forms[REFERENCE].right.mean() if REFERENCE in forms else float("nan")
    others = {name: answers for name, answers in forms.items() if name != REFERENCE}
    return {name: float(right - answers.right.mean()) for name, answers in others.items()}


CHECK = Check(
    question="Does every stored form answer as the trained network does?",
    remedy="Serve another form (LEAFGATE_ENGINE), or train again: the ranges of int8 are measured "
    "on training images anew.",
    judge=engine_forms,
    bounds=(
        at_most("fp32_loses_at_most"),
        at_most("bf16_loses_at_most"),
        at_most("int8_loses_at_most"),
    ),
    needs=("forms",),
)
