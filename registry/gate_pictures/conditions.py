"""A classifier under other conditions: worse pictures, pictures of something else."""

import numpy as np

from leafgate.images import resize
from leafgate.metrics.generative import evenly
from registry.checks import Verdict
from registry.checks.evidence import ClassifierEvidence
from registry.checks.robustness import misled, misled_under
from registry.gate_pictures.charts import bars
from registry.gate_pictures.layout import SIDE, album, photographs, stacked
from registry.gate_pictures.picture import Picture, bound_in

SHOWN = 9


def draw_robustness(evidence: ClassifierEvidence, verdict: Verdict) -> bytes:
    """Misleading answers by change, the worst on top, above an example of each change."""
    found = evidence.corrupted
    assert found is not None  # noqa: S101 - asked for by `needs`
    figures = dict(sorted(misled_under(found).items(), key=lambda item: -item[1]))
    as_taken = {"as they were taken": misled(evidence.answers)}
    chart = bars(
        figures | as_taken,
        "Wrong answers without a warning, by the change of the picture",
        "share of images",
        bound_in(verdict),
    )
    names = [name for name in figures if name in found.pictures]
    examples = [resize(found.pictures[name], SIDE) for name in names]
    told = [name.replace("_", " ") for name in names]
    return stacked(chart, album(examples, told, "One picture under each change"))


def draw_unknowns(evidence: ClassifierEvidence, verdict: Verdict) -> bytes | None:
    """Strangers that were let through, above test images that were refused."""
    found = evidence.strangers
    assert found is not None  # noqa: S101 - asked for by `needs`
    let_in = np.flatnonzero(found.let_through)
    rows = let_in[evenly(len(let_in), SHOWN)]
    through = album(
        [resize(found.images[row], SIDE) for row in rows],
        [found.kinds[row] for row in rows],
        f"Let through, {len(let_in)} of {len(found.kinds)}",
    )
    parts = [part for part in (through, _refused(evidence)) if part]
    return stacked(*parts) if parts else None


def _refused(evidence: ClassifierEvidence) -> bytes | None:
    answers = evidence.answers
    turned_away = np.flatnonzero(answers.unknown)
    rows = turned_away[evenly(len(turned_away), SHOWN // 3)]
    if not evidence.files:
        return None
    return album(
        photographs([evidence.files[row] for row in rows]),
        [answers.labels[answers.truth[row]] for row in rows],
        f"Refused, {len(turned_away)} of {len(answers)} test images",
    )


ROBUSTNESS = Picture(
    draw_robustness,
    "A bar for each change of the picture with the share of wrong answers that come without a "
    "warning, the worst on top; then an example of each change",
    "Each bar is the share of answers that are wrong and not called unknown when all pictures are "
    "changed that way; hatched ones miss the dashed bound. The photographs show one picture under "
    "each change.",
)
UNKNOWNS = Picture(
    draw_unknowns,
    "Pictures of strange things that got a diagnosis, and test images that were refused",
    "Above: pictures that show nothing it knows and were diagnosed all the same. Below: real test "
    "images that it refused to answer for.",
)
