"""Charts over time: stacked bars and lines from the beginning of a span to its end, in UTC, with a
line where a version changed.

Series differ in colour and in the order, shape or dashes that go with it.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise

import altair as alt
import pandas as pd

from dashboard.figures import local_times
from dashboard.theme import CHART_HEIGHT, palette
from dashboard.version_changes import Change
from sql import Span

DASHES = ([1, 0], [7, 3], [2, 3], [7, 3, 2, 3])
SHAPES = ("circle", "square", "triangle-up", "diamond")
LATE = 0.8  # of the span; the label of a change after that stands left of its line


def bars(
    frame: pd.DataFrame,
    names: tuple[str, str],
    span: Span,
    colours: dict[str, str],
    changes: Sequence[Change] = (),
) -> alt.LayerChart:
    """`frame`, a row for each bucket and series, as stacked bars as wide as the buckets.

    Its columns: at (aware) and `names`, of the series and of the value; colours: by series, the
    lowest first.
    """
    series, value = names
    stacked = _stacked(frame, names, span, list(colours))
    chart = (
        alt.Chart(stacked)
        .mark_rect(stroke=None)
        .encode(
            x=_time(span),
            x2="until:T",
            y=alt.Y("low:Q", title=value, axis=alt.Axis(tickMinStep=1, format="~s")),
            y2="high:Q",
            color=alt.Color(f"{series}:N", title=None, scale=_scale(colours), legend=_legend()),
            tooltip=["time (UTC):N", f"{series}:N", alt.Tooltip(f"{value}:Q", format=",")],
        )
    )
    return _marked(chart, span, changes)


def lines(
    frame: pd.DataFrame,
    names: tuple[str, str],
    span: Span,
    colours: dict[str, str],
    changes: Sequence[Change] = (),
    number_format: str = "~s",
) -> alt.LayerChart:
    """`frame` as for `bars`, as a line for each series; broken where a value is missing."""
    series, value = names
    shown = _placed(frame, span)
    domain = list(colours)
    chart = (
        alt.Chart(shown)
        .mark_line(
            point=alt.OverlayMarkDef(size=36, filled=True), invalid="break-paths-show-domains"
        )
        .encode(
            x=_time(span, "middle"),
            y=alt.Y(f"{value}:Q", title=value, axis=alt.Axis(format=number_format)),
            color=alt.Color(f"{series}:N", title=None, scale=_scale(colours), legend=_legend()),
            strokeDash=alt.StrokeDash(
                f"{series}:N",
                title=None,
                scale=alt.Scale(domain=domain, range=list(DASHES[: len(domain)])),
            ),
            shape=alt.Shape(
                f"{series}:N",
                title=None,
                scale=alt.Scale(domain=domain, range=list(SHAPES[: len(domain)])),
            ),
            tooltip=["time (UTC):N", f"{series}:N", alt.Tooltip(f"{value}:Q", format=",.3~f")],
        )
    )
    return _marked(chart, span, changes)


def moment(at: datetime) -> str:
    """A time as tables and tooltips show it, in UTC."""
    return f"{local_times([at])[0]:%Y-%m-%d %H:%M}"


def _placed(frame: pd.DataFrame, span: Span) -> pd.DataFrame:
    """With the end and the middle of each bucket, as charts take them."""
    starts = local_times([*span.starts, span.until])
    ends = dict(pairwise(starts))
    shown = frame.copy()
    shown["at"] = local_times(list(frame["at"]))
    shown["until"] = [ends[at] for at in shown["at"]]
    shown["middle"] = shown["at"] + (shown["until"] - shown["at"]) / 2
    shown["time (UTC)"] = [f"{at:%Y-%m-%d %H:%M}" for at in shown["at"]]
    return shown


def _stacked(
    frame: pd.DataFrame, names: tuple[str, str], span: Span, order: Sequence[str]
) -> pd.DataFrame:
    """With where each bar begins and ends: a stack of rects has no place of its own in Vega."""
    series, value = names
    shown = _placed(frame[frame[value] > 0], span)
    shown["rank"] = [order.index(name) for name in shown[series]]
    shown = shown.sort_values(["at", "rank"])
    shown["high"] = shown.groupby("at")[value].cumsum()
    shown["low"] = shown["high"] - shown[value]
    return shown


def _time(span: Span, field: str = "at") -> alt.X:
    ends = local_times([span.starts[0], span.until]) if span.starts else []
    domain = [end.to_pydatetime() for end in ends]
    return alt.X(
        f"{field}:T",
        title="time (UTC)",
        scale=alt.Scale(domain=domain) if domain else alt.Undefined,
        axis=alt.Axis(labelOverlap=True),
    )


def _scale(colours: dict[str, str]) -> alt.Scale:
    return alt.Scale(domain=list(colours), range=list(colours.values()))


def _legend() -> alt.Legend:
    return alt.Legend(orient="top", columns=0, labelLimit=220, symbolOpacity=1)


def _marked(chart: alt.Chart, span: Span, changes: Sequence[Change]) -> alt.LayerChart:
    """With a line and a label for each change."""
    length = max(span.until - span.since, timedelta(seconds=1))
    marks = pd.DataFrame(
        {
            "at": pd.Series(local_times([each.at for each in changes]), dtype="datetime64[ns]"),
            "label": [each.label for each in changes],
            "told": [each.sentence for each in changes],
            "late": [(each.at - span.since) / length > LATE for each in changes],
        }
    )
    if not changes:
        return alt.layer(chart).properties(height=CHART_HEIGHT)
    base = alt.Chart(marks).encode(x="at:T", tooltip=alt.Tooltip("told:N", title="change"))
    rule = base.mark_rule(color=palette().text, strokeDash=[4, 3])
    texts = [
        base.transform_filter("datum.late" if late else "!datum.late")
        .mark_text(
            color=palette().text,
            align="right" if late else "left",
            dx=-4 if late else 4,
            dy=6,
            baseline="top",
            fontWeight="bold",
        )
        .encode(y=alt.value(0), text="label:N")
        for late in (False, True)
        if late in set(marks["late"])
    ]
    return alt.layer(chart, rule, *texts).properties(height=CHART_HEIGHT)
