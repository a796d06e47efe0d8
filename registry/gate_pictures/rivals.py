"""A version beside the one in production, on the same images."""

import numpy as np

from leafgate.metrics.paired import Difference
from registry.checks import Verdict
from registry.checks.champion import FEWEST, compared
from registry.checks.evidence import Champion, ClassifierEvidence, GeneratorEvidence
from registry.checks.kernel_distance import distance_name, relative_distance
from registry.gate_pictures.answers import name_of
from registry.gate_pictures.charts import Ends, bars, intervals
from registry.gate_pictures.layout import album, photographs, stacked
from registry.gate_pictures.picture import Picture, bound_in

LOST = 6


def draw_champion(evidence: ClassifierEvidence, verdict: Verdict) -> bytes | None:
    """Both differences with their intervals, above images that only the champion gets right."""
    rival = evidence.champion
    if rival is None or rival.fair.sum() < FEWEST:
        return None
    found, margin = compared(evidence, rival), bound_in(verdict)
    chart = intervals(
        {"macro F1": _ends(found.macro_f1), "accuracy": _ends(found.accuracy)},
        f"This version less version {rival.version}",
        "worse ← difference → better",
        None if margin is None else -margin,
        zero=True,
    )
    return stacked(chart, _lost(evidence, rival))


def _ends(difference: Difference) -> Ends:
    return difference.value, difference.low, difference.high


def _lost(evidence: ClassifierEvidence, rival: Champion) -> bytes | None:
    ours = evidence.answers
    lost = np.flatnonzero(rival.fair & rival.answers.right & ~ours.right)[:LOST]
    if not evidence.files:
        return None
    captions = [f"{ours.labels[ours.truth[row]]}, taken for {name_of(ours, row)}" for row in lost]
    return album(
        photographs([evidence.files[row] for row in lost]),
        captions,
        f"Only version {rival.version} is right",
    )


def draw_generator_champion(evidence: GeneratorEvidence, verdict: Verdict) -> bytes | None:
    """Two distances from real pictures, with the own classifier's features two more."""
    like, margin = evidence.likeness, bound_in(verdict)
    assert like is not None  # noqa: S101 - asked for by `needs`
    if like.champion is None:
        return None
    theirs = relative_distance(like.real, like.champion).value
    figures = {
        "this version": relative_distance(like.real, like.generated).value,
        "in production": theirs,
    }
    own = like.own
    if own is not None and own.champion is not None:
        figures["this, own classifier"] = relative_distance(own.real, own.generated).value
        figures["in production, own"] = relative_distance(own.real, own.champion).value
    return bars(
        figures,
        "How far from real pictures",
        distance_name(like),
        None if margin is None else theirs + margin,
        higher_is_better=False,
    )


CHAMPION = Picture(
    draw_champion,
    "Differences in macro F1 and accuracy from the version in production, with their intervals; "
    "then images that only that version gets right",
    "Left of the grey line this version is worse. The line through a dot is where the true "
    "difference may well lie: if it crosses grey, neither version is shown to be better. The "
    "dashed bound is the loss that the policy allows.",
)
GENERATOR_CHAMPION = Picture(
    draw_generator_champion,
    "Two bars: the distance from real pictures of this version and of the one in production",
    "Shorter is nearer to real pictures; this version's bar may reach to the dashed bound.",
)
