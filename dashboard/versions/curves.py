"""How a version learnt: the figures of its epochs, those of one kind in one chart."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import altair as alt
import pandas as pd
import streamlit as st

from dashboard.calls.model_versions import Curve
from dashboard.elements import show_chart
from dashboard.theme import palette
from dashboard.versions.figures import is_number, written

HEIGHT, WIDTH = 290, 380
MOST_DOTS = 60  # beyond, they would hide the line
# Charts in their order: what is logged, by what it is called in the chart.
GROUPS: Mapping[str, Mapping[str, str]] = {
    "Loss": {
        "loss": "training",
        "val_loss": "validation",
        "val_calibrated_loss": "validation, calibrated",
    },
    "Accuracy": {"accuracy": "training", "val_accuracy": "validation"},
    "Macro F1": {"val_macro_f1": "validation"},
    "Losses of the two networks": {"d_loss": "discriminator", "g_loss": "generator"},
    "What the discriminator thinks": {"d_real": "of real images", "d_fake": "of its pictures"},
    "Size of the gradients": {"d_gradient": "discriminator", "g_gradient": "generator"},
    "Learning rate": {"learning_rate": "learning rate"},
}
LOGARITHMIC = ("Learning rate", "Size of the gradients")
NOT_LEARNING = (
    "images_per_second",
    "seconds",
    "stage_number",
    "linear_val_accuracy",
    "linear_val_macro_f1",
)
SECOND = 2.0  # stage, as a run logs it


@dataclass(frozen=True)
class Figure:
    """One chart: curves by what they are called."""

    title: str
    curves: Mapping[str, Curve]


def figures(curves: Sequence[Curve]) -> tuple[Figure, ...]:
    """Curves grouped into charts; one that belongs to none has a chart of its own."""
    there = {curve.metric: curve for curve in curves if curve.points}
    known = {name for members in GROUPS.values() for name in members}
    return tuple(figure for figure in (*_grouped(there), *_single(there, known)) if figure.curves)


def _grouped(there: Mapping[str, Curve]) -> Iterator[Figure]:
    for title, members in GROUPS.items():
        yield Figure(title, {told: there[name] for name, told in members.items() if name in there})


def _single(there: Mapping[str, Curve], known: set[str]) -> Iterator[Figure]:
    for name, curve in there.items():
        if name not in known and name not in NOT_LEARNING and not name.startswith("test_"):
            title = name.replace("_", " ")
            yield Figure(title[:1].upper() + title[1:], {title: curve})


def second_stage(curves: Sequence[Curve], params: Mapping[str, str]) -> int | None:
    """The epoch in which the last layers began to be tuned; of runs that did not log their stage,
    as the learning rate shows it.
    """
    stages = next((curve.points for curve in curves if curve.metric == "stage_number"), ())
    if stages:
        return next((epoch for epoch, stage in stages if stage == SECOND), None)
    rates = next((curve.points for curve in curves if curve.metric == "learning_rate"), ())
    try:
        wanted = float(params["stage2_learning_rate"])
    except (KeyError, ValueError):
        return None
    for (_, before), (epoch, rate) in pairwise(rates):
        if math.isclose(rate, wanted, rel_tol=1e-5) and not math.isclose(before, rate):
            return epoch
    return None


def show_curves(curves: Sequence[Curve], params: Mapping[str, str]) -> None:
    """All charts, or that nothing was logged by epoch."""
    found = figures(curves)
    if not found:
        st.caption("The training run of this version logged no figures by epoch.")
        return
    stage = second_stage(curves, params)
    with st.container(horizontal=True):
        for figure in found:
            with st.container(width=WIDTH):
                told = words(figure)
                show_chart(chart(figure, stage), told)
    if stage:
        st.caption(f"Dashed line: stage 2 begins in epoch {stage}, the last layers are tuned.")


def words(figure: Figure) -> str:
    """The chart as a sentence."""
    told = []
    for name, curve in figure.curves.items():
        values = [value for _, value in curve.points if is_number(value)]
        if values:
            told.append(f"{name} from {written(values[0])} to {written(values[-1])}")
    last = max(curve.points[-1][0] for curve in figure.curves.values())
    return f"{figure.title} by epoch, up to epoch {last}: {', '.join(told) or 'no numbers'}"


def frame(figure: Figure) -> pd.DataFrame:
    """epoch, series, value: a row a point."""
    rows = [
        (epoch, name, value)
        for name, curve in figure.curves.items()
        for epoch, value in curve.points
        if is_number(value)
    ]
    return pd.DataFrame(rows, columns=["epoch", "series", "value"])


def chart(figure: Figure, stage: int | None) -> alt.LayerChart | alt.FacetChart:
    """A line a curve, told apart by colour and dashes. stage: where a dashed line stands."""
    marked = [] if stage is None else [_mark(stage)]
    title = alt.TitleParams(figure.title, anchor="start")
    return alt.layer(_lines(figure), *marked, title=title).properties(height=HEIGHT)


def _lines(figure: Figure) -> alt.Chart:
    rows, names = frame(figure), list(figure.curves)
    legend = _legend() if len(names) > 1 else None
    colours = alt.Scale(domain=names, range=palette().series)
    dashes = alt.Scale(domain=names, range=[[1, 0], [6, 3]])
    base = alt.Chart(rows).encode(
        x=alt.X("epoch:Q", axis=alt.Axis(tickMinStep=1, format="d")),
        y=_y(figure.title in LOGARITHMIC and bool((rows["value"] > 0).all())),
        color=alt.Color("series:N", legend=legend, scale=colours),
        strokeDash=alt.StrokeDash("series:N", legend=legend, scale=dashes),
        tooltip=["epoch:Q", "series:N", alt.Tooltip("value:Q", format=".4~g")],
    )
    return base.mark_line(point=len(rows) <= MOST_DOTS * len(names))


def _y(logarithmic: bool) -> alt.Y:
    scale = alt.Scale(zero=False, type="log" if logarithmic else "linear")
    axis = alt.Axis(format="~e", tickCount=4) if logarithmic else alt.Axis(tickCount=5)
    return alt.Y("value:Q", title=None, scale=scale, axis=axis)


def _legend() -> alt.Legend:
    return alt.Legend(
        orient="top", title=None, symbolType="stroke", symbolSize=300, symbolStrokeWidth=2
    )


def _mark(stage: int) -> alt.Chart:
    there = pd.DataFrame({"epoch": [stage - 0.5]})
    line = alt.Chart(there).mark_rule(strokeDash=[3, 3], color=palette().text)
    return line.encode(x="epoch:Q")
