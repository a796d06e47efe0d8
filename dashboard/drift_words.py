"""What a drift means, in the words of who knows leaves and no statistics; and its figures."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pandas as pd

from dashboard.names import readable
from dashboard.plain_text import plain
from leafgate.metrics.drift import Verdict, even_bins, samples_needed
from sql.analytics import Drift, Reference

MOST_MOVED = 2
LEAST_MOVED = 0.02  # of all answers; less is not worth a word
SURER = 0.02  # of the mean confidence, likewise


@dataclass(frozen=True)
class Said:
    """A verdict for the page. kind: of Streamlit's boxes; icon: so that it is not colour alone."""

    kind: str
    icon: str
    heading: str
    meaning: str
    advice: str


# For each verdict: kind, icon, heading, what it means and what to do about it.
VERDICTS: dict[Verdict, Said] = {
    "steady": Said(
        "success",
        ":material/check_circle:",
        "Steady",
        "The model spreads its answers over the classes as it did on the pictures it was checked "
        "with after training, and is as sure of them.",
        "Nothing has to be done.",
    ),
    "moving": Said(
        "warning",
        ":material/trending_up:",
        "Moving",
        "The answers begin to differ from those on the pictures that the model was checked with "
        "after training.",
        "Look at some of what is sent in, and correct wrong answers on the Diagnose page. Another "
        "season or place may be all there is to it; look again in a few days.",
    ),
    "drifted": Said(
        "error",
        ":material/error:",
        "Drifted",
        "The answers are clearly others than on the pictures that the model was checked with after "
        "training: other leaves are sent in, or it sees them otherwise.",
        "Look at what is sent in, and at the accuracy by feedback above. If these are the leaves "
        "that the model is to know, train it again with pictures of them; if not, find out who "
        "sends them.",
    ),
    "too_few": Said(
        "info",
        ":material/hourglass_top:",
        "Too few answers",
        "With so few answers, chance alone could look like a change.",
        "Choose a longer time, or wait for more.",
    ),
}


def said_of(drift: Drift) -> Said:
    """The verdict, with what has moved by name, or how many answers it would take."""
    said = VERDICTS[drift.verdict]
    if drift.verdict == "steady":
        return said
    if drift.verdict != "too_few":
        return replace(said, meaning=f"{said.meaning} {plain(moved_in_words(drift))}".strip())
    enough = needed(drift)
    if enough is not None:
        numbers = f"There are {drift.samples:,}; about {enough:,} are needed."
        return replace(said, meaning=f"{said.meaning} {numbers}")
    return Said(
        said.kind,
        said.icon,
        "Too few pictures when checked",
        f"The model was checked with {drift.reference_samples:,} pictures after training. Beside "
        "so few, chance alone could look like a change, however many answers there are.",
        "Train and promote a version with a larger validation side.",
    )


def needed(drift: Drift) -> int | None:
    """Answers that it takes for a verdict; None: the reference is too small for any."""
    used = {*drift.reference.classes, *drift.answers.classes}
    bins = (len(used), len(even_bins(drift.reference.confidences, drift.answers.confidences)[0]))
    if not drift.reference_samples:
        return None
    each = [samples_needed(drift.reference_samples, number) for number in bins]
    return None if None in each else max(number for number in each if number is not None)


def moved_in_words(drift: Drift) -> str:
    """The classes whose share has moved most, and by how much the confidence has."""
    told = []
    moves = sorted(shares(drift), key=lambda row: -abs(row.now - row.then))
    for row in moves[:MOST_MOVED]:
        if abs(row.now - row.then) >= LEAST_MOVED:
            more = "more" if row.now > row.then else "less"
            told.append(
                f"{readable(row.class_name)} is answered {more} often ({row.now:.0%} instead of "
                f"{row.then:.0%})"
            )
    now, then = mean_confidence(drift.answers), mean_confidence(drift.reference)
    if abs(now - then) >= SURER:
        told.append(
            f"the model is {'more' if now > then else 'less'} sure ({now:.0%} on average instead "
            f"of {then:.0%})"
        )
    text = "; ".join(told)
    return f"{text[:1].upper()}{text[1:]}." if text else ""


@dataclass(frozen=True)
class Share:
    """A class's share of the answers, on the reference and now."""

    class_name: str
    then: float
    now: float


def shares(drift: Drift) -> tuple[Share, ...]:
    """Of each class that either has, the most frequent of the reference first."""
    then, now = drift.reference, drift.answers
    names = sorted(
        {*then.classes, *now.classes},
        key=lambda name: (-then.classes.get(name, 0), -now.classes.get(name, 0), name),
    )
    return tuple(Share(name, _share(then, name), _share(now, name)) for name in names)


def mean_confidence(of: Reference) -> float:
    """From the middles of its bins; NaN without answers."""
    total = sum(of.confidences)
    if not total:
        return math.nan
    middles = [(number + 0.5) / len(of.confidences) for number in range(len(of.confidences))]
    return sum(m * count for m, count in zip(middles, of.confidences, strict=True)) / total


def shares_table(drift: Drift) -> pd.DataFrame:
    """A row for each class."""
    rows: Sequence[Share] = shares(drift)
    return pd.DataFrame(
        {
            "class": [plain(readable(row.class_name)) for row in rows],
            "when checked": [f"{row.then:.1%}" for row in rows],
            "now": [f"{row.now:.1%}" for row in rows],
            "change, points": [f"{100 * (row.now - row.then):+.1f}" for row in rows],
        }
    )


def figures_table(drift: Drift) -> pd.DataFrame:
    """The indices of both comparisons."""
    of = {"class mix": drift.classes, "confidence": drift.confidences}
    return pd.DataFrame(
        {
            "of the": list(of),
            "PSI": [_index(each.psi) for each in of.values()],
            "chance alone stays below": [_index(each.noise) for each in of.values()],
            "Jensen-Shannon, bits": [_index(each.js) for each in of.values()],
            "verdict": [VERDICTS[each.verdict].heading for each in of.values()],
        }
    )


def _index(value: float) -> str:
    return f"{value:.3f}" if math.isfinite(value) else "none"


def _share(of: Reference, name: str) -> float:
    return of.classes.get(name, 0) / of.samples if of.samples else 0.0
