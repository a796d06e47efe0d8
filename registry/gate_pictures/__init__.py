"""A picture for each check of the gate's report, where one explains more than words; and the table.

A new picture is a function from evidence and verdict to PNG, and a line here. Matplotlib is loaded
when the first is drawn.
"""

import logging
import warnings
from collections.abc import Sequence

from registry.checks import CHECKS, Evidence, ModelKind, Verdict
from registry.gate_pictures import answers, clouds, conditions, drawn, origins, rivals, served
from registry.gate_pictures.picture import Picture

PICTURES: dict[ModelKind, dict[str, Picture]] = {
    "classifier": {
        "no_leak": origins.NO_LEAK,
        "finite": answers.FINITE,
        "accuracy": answers.ACCURACY,
        "macro_f1": answers.MACRO_F1,
        "class_recall": answers.CLASS_RECALL,
        "champion": rivals.CHAMPION,
        "logged_figures": origins.LOGGED_FIGURES,
        "calibration": answers.CALIBRATION,
        "robustness": conditions.ROBUSTNESS,
        "unknowns": conditions.UNKNOWNS,
        "engine_forms": served.ENGINE_FORMS,
        "latency": served.LATENCY,
    },
    "generator": {
        "no_leak": origins.NO_LEAK,
        "finite": drawn.OUTPUTS,
        "in_range": drawn.OUTPUTS,
        "not_collapsed": drawn.COLLAPSED,
        "diverse": drawn.BESIDE_REAL,
        "kernel_distance": clouds.KERNEL_DISTANCE,
        "champion": rivals.GENERATOR_CHAMPION,
        "coverage": clouds.COVERAGE,
        "memorised": drawn.MEMORISED,
        "class_fidelity": drawn.CLASS_FIDELITY,
        "augmentation_gain": drawn.GAIN,
    },
}
log = logging.getLogger(__name__)


def draw_pictures(
    kind: ModelKind, evidence: Evidence, verdicts: Sequence[Verdict]
) -> dict[str, bytes]:
    """PNG by check, of failed checks first.

    Odd evidence must not cost the report: what cannot be drawn is left out, with a warning.
    """
    found = {}
    for verdict in sorted(verdicts, key=lambda item: item.passed):
        png = _drawn(kind, evidence, verdict)
        if png:
            found[verdict.check] = png
    return found


def _drawn(kind: ModelKind, evidence: Evidence, verdict: Verdict) -> bytes | None:
    picture = PICTURES[kind].get(verdict.check)
    if picture is None or not _measured(kind, evidence, verdict.check):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of letters that the font lacks, and the like
            return picture.draw(evidence, verdict)
    except Exception as error:  # noqa: BLE001 - whatever it is, the words remain
        log.warning("no picture of %s in the gate's report: %r", verdict.check, error)
        return None


def _measured(kind: ModelKind, evidence: Evidence, check: str) -> bool:
    """Whether what the check looks at is there; pictures know what to do without a champion."""
    needs = set(CHECKS[kind][check].needs) - {"champion", "gain"}
    return all(getattr(evidence, need) is not None for need in needs)


__all__ = ["PICTURES", "Picture", "draw_pictures"]
