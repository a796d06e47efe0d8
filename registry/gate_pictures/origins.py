"""Where a version comes from: images that it should not have seen, and what its run logged."""

from pathlib import Path

from leafgate.file_names import is_at
from registry.checks import Verdict
from registry.checks.evidence import ClassifierEvidence, Evidence
from registry.checks.logged_figures import LOGGED, measured
from registry.gate_pictures.charts import bars
from registry.gate_pictures.layout import album, photographs
from registry.gate_pictures.picture import Picture

LEAKING = 9


def draw_no_leak(evidence: Evidence, verdict: Verdict) -> bytes | None:
    """Test images that were learnt from, or whose leaf was; None where no files are at hand."""
    origin = evidence.origin
    assert origin is not None  # noqa: S101 - asked for by `needs`
    if not isinstance(evidence, ClassifierEvidence):
        return None
    told = dict.fromkeys(origin.mates, "its leaf was known")
    told |= dict.fromkeys(origin.seen, "itself was known")
    leaks = [path for path in (*origin.seen, *origin.mates) if _file(evidence, path)]
    shown = leaks[:LEAKING]
    files = [file for path in shown if (file := _file(evidence, path))]
    captions = [f"{told[path]}\n{Path(path).name}" for path in shown]
    return album(photographs(files), captions, "Test images that it knew")


def _file(evidence: ClassifierEvidence, path: str) -> Path | None:
    """The file of an evaluation image, by its path in the manifest."""
    return next((file for file in evidence.files if is_at(file, path)), None)


def draw_logged_figures(evidence: ClassifierEvidence, verdict: Verdict) -> bytes | None:
    """Each figure as its run logged it, above what was measured."""
    origin = evidence.origin
    assert origin is not None  # noqa: S101 - asked for by `needs`
    if not origin.own_set:
        return None
    figures = {}
    for name, value in measured(evidence).items():
        figures[f"{name}, logged"] = origin.logged.get(LOGGED[name], float("nan"))
        figures[f"{name}, measured"] = value
    return bars(figures, "As logged in training, and as measured now", "figure")


NO_LEAK = Picture(
    draw_no_leak,
    "Test images that the model has learnt from, or of whose leaf it has",
    "Images that it is judged by, and knew beforehand: right answers to them prove nothing.",
)
LOGGED_FIGURES = Picture(
    draw_logged_figures,
    "Bars of each figure as logged in training and as measured now",
    "Both bars of a pair should be as long: the upper was logged in training, the lower measured "
    "from the stored model.",
)
