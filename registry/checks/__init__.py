"""One file per gate check, and the table of them. A new check is a file and a line here.

A check is a pure function from evidence and its bounds to a verdict; what is missing or NaN fails.
"""

from registry.checks import (
    accuracy,
    augmentation_gain,
    calibration,
    champion,
    class_fidelity,
    class_recall,
    classes,
    collapsed,
    coverage,
    diverse,
    engine_forms,
    enough_images,
    finite,
    finite_answers,
    generator_champion,
    in_range,
    kernel_distance,
    latency,
    logged_figures,
    macro_f1,
    memorised,
    no_leak,
    provenance,
    robustness,
    size,
    unknowns,
)
from registry.checks.check import BoundValue, Check, ModelKind, not_measured
from registry.checks.evidence import Evidence
from registry.checks.verdict import Verdict

CHECKS: dict[ModelKind, dict[str, Check]] = {
    "classifier": {
        "enough_images": enough_images.CHECK,
        "provenance": provenance.CHECK,
        "no_leak": no_leak.CHECK,
        "finite": finite_answers.CHECK,
        "accuracy": accuracy.CHECK,
        "macro_f1": macro_f1.CHECK,
        "class_recall": class_recall.CHECK,
        "classes": classes.CHECK,
        "champion": champion.CHECK,
        "logged_figures": logged_figures.CHECK,
        "calibration": calibration.CHECK,
        "robustness": robustness.CHECK,
        "unknowns": unknowns.CHECK,
        "engine_forms": engine_forms.CHECK,
        "latency": latency.CHECK,
        "size": size.CHECK,
    },
    "generator": {
        "enough_images": enough_images.CHECK,
        "provenance": provenance.CHECK,
        "no_leak": no_leak.CHECK,
        "finite": finite.CHECK,
        "in_range": in_range.CHECK,
        "not_collapsed": collapsed.CHECK,
        "diverse": diverse.CHECK,
        "kernel_distance": kernel_distance.CHECK,
        "champion": generator_champion.CHECK,
        "coverage": coverage.CHECK,
        "memorised": memorised.CHECK,
        "class_fidelity": class_fidelity.CHECK,
        "augmentation_gain": augmentation_gain.CHECK,
    },
}

MAY_BE_ABSENT = ("champion", "gain")  # there need not be one: the check says what that means


def judge(kind: ModelKind, name: str, evidence: Evidence, bounds: dict[str, BoundValue]) -> Verdict:
    """One check's verdict. It fails where a measurement that it needs has failed, and where the
    evidence is so odd that the check itself does.
    """
    check = CHECKS[kind][name]
    for need in check.needs:
        if need in evidence.missing:
            return not_measured(name, evidence.missing[need])
        if need not in MAY_BE_ABSENT and getattr(evidence, need) is None:
            return not_measured(name, f"{need} was not measured")
    try:
        return check.judge(evidence, **bounds)
    except Exception as error:  # noqa: BLE001 - no oddity of a model may end the gate
        return not_measured(name, f"{type(error).__name__}: {error}")


__all__ = ["CHECKS", "Check", "Evidence", "ModelKind", "Verdict", "judge"]
