"""How a classifier is served: its stored forms, and how long an answer takes."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from leafgate.pictures import AS_IS, BLUE, ORANGE, figure_png, new_figure
from registry.checks import Verdict
from registry.checks.check import percentile
from registry.checks.engine_forms import REFERENCE
from registry.checks.evidence import Answers, ClassifierEvidence, Floats
from registry.checks.latency import P95
from registry.gate_pictures.charts import WIDTH, bound_line
from registry.gate_pictures.picture import Picture, bound_in

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MARGIN = re.compile(r"(\w+) loses at most ([\d.e-]+)")
FAR = 3  # times the slowest answer: a bound beyond is told, not drawn


def draw_engine_forms(evidence: ClassifierEvidence, verdict: Verdict) -> bytes | None:
    """Accuracy by form, and the least that its margin allows it."""
    forms = evidence.forms or {}
    if not forms:
        return None
    shares = {name: float(answers.right.mean()) for name, answers in forms.items()}
    figure = new_figure(WIDTH, 1.4 + 0.4 * len(shares))
    axis = figure.subplots()
    for place, (name, least) in enumerate(_floors(forms, verdict).items()):
        missed = shares[name] < least - 1e-9
        axis.plot(
            shares[name],
            place,
            "X" if missed else "o",
            color=ORANGE if missed else BLUE,
            markersize=10,
        )
        if name != REFERENCE:
            axis.plot(least, place, "|", color="black", markersize=22, markeredgewidth=2)
        words = f"{shares[name]:.1%}"
        axis.annotate(words, (shares[name], place), (0, 8), textcoords="offset points", ha="center")
    axis.set_yticks(range(len(shares)), list(shares), **AS_IS)
    axis.set(xlabel="share of right answers", ylim=(len(shares) - 0.4, -0.7))
    axis.margins(x=0.15)
    axis.grid(axis="x", alpha=0.3)
    return figure_png(figure)


def _floors(forms: Mapping[str, Answers], verdict: Verdict) -> dict[str, float]:
    """The least accuracy each form may have; the PyFunc has the widest margin."""
    margins = {name: float(value) for name, value in MARGIN.findall(verdict.bound)}
    widest = max(margins.values(), default=np.nan)
    right = forms[REFERENCE].right.mean() if REFERENCE in forms else np.nan
    allowed = {name: margins.get(name.removeprefix("openvino-"), widest) for name in forms}
    return {name: float(right - (name != REFERENCE) * allowed[name]) for name in forms}


def draw_latency(evidence: ClassifierEvidence, verdict: Verdict) -> bytes:
    """A strip of milliseconds for each version, its 95th percentile marked."""
    found = evidence.latency
    assert found is not None  # noqa: S101 - asked for by `needs`
    strips = {"this version": found.candidate_ms}
    if found.champion_ms is not None:
        strips["in production"] = found.champion_ms
    figure = new_figure(WIDTH, 1.4 + 0.6 * len(strips))
    axis = figure.subplots()
    for place, milliseconds in enumerate(strips.values()):
        _strip(axis, place, milliseconds, ORANGE if place else BLUE)
    axis.set_yticks(range(len(strips)), list(strips))
    axis.set(xlabel="milliseconds for one picture", ylim=(len(strips) - 0.4, -0.6))
    bound, slowest = bound_in(verdict), max(float(np.max(each)) for each in strips.values())
    if bound is not None and bound <= FAR * slowest:
        bound_line(axis, bound)
    elif bound is not None:
        axis.set_title(f"bound: {bound:g} ms, far to the right", loc="left", fontsize=10)
    axis.set_xlim(left=0)
    return figure_png(figure)


def _strip(axis: "Axes", place: int, milliseconds: Floats, colour: str) -> None:
    jitter = np.random.default_rng(0).uniform(-0.16, 0.16, len(milliseconds))
    axis.scatter(milliseconds, place + jitter, 10, color=colour, alpha=0.45, linewidths=0)
    p95 = percentile([float(value) for value in milliseconds], P95)
    axis.plot([p95, p95], [place - 0.32, place + 0.32], color="black", linewidth=3)
    axis.annotate(
        f"{p95:.1f}", (p95, place - 0.32), (0, 2), textcoords="offset points", ha="center"
    )


ENGINE_FORMS = Picture(
    draw_engine_forms,
    "A dot for each stored form with its share of right answers, and the least it may have",
    "Each dot is a form in which the model is stored; the upright mark in its row is the least "
    "that it may reach. A cross left of its mark loses too much against TensorFlow's form.",
)
LATENCY = Picture(
    draw_latency,
    "A strip of dots for each version: the milliseconds that single pictures took",
    "Each dot is one picture; 95 of 100 lie left of the upright black mark, which is what counts.",
)
