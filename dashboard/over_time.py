"""Charts over time: stacked bars and lines from the beginning of a span to its end, in UTC, with a
line where a version changed.

Series differ in colour and in the order, shape or dashes that go with it.
"""

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise

import altair as alt
import pandas as pd

from dashboard.figures import local_times
from dashboard.layers import layered
from dashboard.theme import CHART_HEIGHT, palette
from dashboard.version_changes import Change
from sql import Span

DASHES = ([1, 0], [7, 3], [2, 3], [7, 3, 2, 3])
SHAPES = ("circle", "square", "triangle-up", "diamond")
FEW_SERIES, LABEL_WIDTH = 3, 130
LINE_HEIGHT, LEVELS, LEGEND_ROW = 13, 2, 18
LATE = 0.6  # of the span; the label of a change after that ends at its line


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
            color=alt.Color(
                f"{series}:N", title=None, scale=_scale(colours), legend=_legend(colours, changes)
            ),
            tooltip=["time (UTC):N", f"{series}:N", alt.Tooltip(f"{value}:Q", format=",")],
        )
    )
    return _marked([chart], span, colours, changes)


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
    domain = list(colours)
    base = alt.Chart(_placed(frame, span)).encode(
        x=_time(span, "middle"),
        y=alt.Y(f"{value}:Q", title=value, axis=alt.Axis(format=number_format)),
        tooltip=["time (UTC):N", f"{series}:N", alt.Tooltip(f"{value}:Q", format=",.3~f")],
    )
    # Not by a scale of dashes, which would eat into the shapes of the legend.
    dashed = [
        base.transform_filter(alt.FieldEqualPredicate(field=series, equal=name)).mark_line(
            color=colour, strokeDash=dash, invalid="break-paths-show-domains"
        )
        for (name, colour), dash in zip(colours.items(), DASHES, strict=False)
    ]
    points = base.mark_point(size=36, filled=True, opacity=1).encode(
        color=alt.Color(
            f"{series}:N", title=None, scale=_scale(colours), legend=_legend(colours, changes)
        ),
        shape=alt.Shape(
            f"{series}:N",
            title=None,
            scale=alt.Scale(domain=domain, range=list(SHAPES[: len(domain)])),
        ),
    )
    return _marked([*dashed, points], span, colours, changes)


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


def _legend(colours: dict[str, str], changes: Sequence[Change]) -> alt.Legend:
    """In one row where there are few, else in two columns, which a phone has room for; above the
    labels of changes.
    """
    return alt.Legend(
        orient="top",
        columns=2 if len(colours) > FEW_SERIES else 0,
        labelLimit=LABEL_WIDTH,
        symbolOpacity=1,
        offset=LINE_HEIGHT * LEVELS + 6 if changes else 6,
    )


def _marked(
    charts: Sequence[alt.Chart], span: Span, colours: dict[str, str], changes: Sequence[Change]
) -> alt.LayerChart:
    """With a line for each change, and its label above; those that follow each other are not level.

    The chart is higher by its legend's rows.
    """
    length = max(span.until - span.since, timedelta(seconds=1))
    layers = [*charts]
    for number, change in enumerate(changes):
        told = {"at": local_times([change.at]), "label": change.label, "told": change.sentence}
        late = (change.at - span.since) / length > LATE
        base = alt.Chart(pd.DataFrame(told)).encode(
            x="at:T", tooltip=alt.Tooltip("told:N", title="change")
        )
        text = base.mark_text(
            color=palette().text,
            align="right" if late else "left",
            dx=4 if late else -4,
            dy=-4 - LINE_HEIGHT * (number % LEVELS),
            baseline="bottom",
            fontWeight="bold",
        )
        layers += [
            base.mark_rule(color=palette().text, strokeDash=[4, 3]),
            text.encode(y=alt.value(0), text="label:N"),
        ]
    rows = math.ceil(len(colours) / 2) if len(colours) > FEW_SERIES else 0
    return layered(CHART_HEIGHT + LEGEND_ROW * rows, *layers)
