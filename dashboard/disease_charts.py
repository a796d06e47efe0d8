"""The charts of what the model answered, each with what it shows in words."""

import math

import altair as alt
import pandas as pd

from dashboard.disease_figures import OTHER, DiseaseFigures, over_time_frame, series
from dashboard.layers import layered
from dashboard.names import readable
from dashboard.over_time import bars, lines, moment
from dashboard.theme import CHART_HEIGHT, palette

ROW_HEIGHT = 26
LABEL_WIDTH = 190  # of a class beside a chart; a phone is 390 wide
MOST_NAMED = 5


def frequency_chart(found: DiseaseFigures) -> alt.LayerChart:
    """Answers of each class; the count and the mean confidence stand beside its bar."""
    frame = pd.DataFrame(
        {
            "class": [readable(each.class_name) for each in found.counts],
            "leaves": [each.count for each in found.counts],
            "mean confidence": [each.mean_confidence for each in found.counts],
            "told": [f"{c.count:,} ({c.mean_confidence:.0%} sure)" for c in found.counts],
        }
    )
    most = max(each.count for each in found.counts)
    base = alt.Chart(frame).encode(
        x=alt.X(
            "leaves:Q",
            axis=alt.Axis(tickMinStep=1, format="~s"),
            scale=alt.Scale(domain=[0, most * 1.5]),  # room for the label of the longest
        ),
        y=alt.Y("class:N", sort=None, title=None, axis=alt.Axis(labelLimit=LABEL_WIDTH)),
        tooltip=[
            "class:N",
            alt.Tooltip("leaves:Q", format=","),
            alt.Tooltip("mean confidence:Q", format=".1%"),
        ],
    )
    labels = base.mark_text(align="left", dx=4, color=palette().text).encode(text="told:N")
    return layered(ROW_HEIGHT * len(frame) + 60, base.mark_bar(color=palette().blue), labels)


def frequency_alt(found: DiseaseFigures) -> str:
    """The most frequent ones."""
    named = [f"{readable(c.class_name)} {c.count:,}" for c in found.counts[:MOST_NAMED]]
    rest = len(found.counts) - len(named)
    more = f" and {rest} classes more" if rest else ""
    return f"Bars of how often each class was answered: {', '.join(named)}{more}."


def over_time_chart(found: DiseaseFigures) -> alt.LayerChart:
    """Leaves of each bucket by class."""
    return bars(over_time_frame(found), ("class", "leaves"), found.span, colours(found))


def over_time_alt(found: DiseaseFigures) -> str:
    """The bucket with most leaves, and what was most frequent in it."""
    busiest = max(found.unknowns, key=lambda row: row.answers)
    of_it = [row for row in found.volume if row.at == busiest.at]
    text = (
        f"Stacked bars of leaves by class over time: {found.leaves:,} in all; most from "
        f"{moment(busiest.at)} UTC, {busiest.answers:,}"
    )
    if not of_it:
        return f"{text}."
    top = max(of_it, key=lambda row: row.count)
    return f"{text}, of which {top.count:,} {readable(top.class_name)}."


def colours(found: DiseaseFigures) -> dict[str, str]:
    """By series, most frequent first. Grey is that of the rest."""
    names = list(dict.fromkeys(series(found).values()))
    shown = palette()
    free = [colour for colour in shown.series if colour != shown.grey]
    own = [name for name in names if name != OTHER]
    found_colours = dict(zip(own, [*free, shown.grey], strict=False))
    return found_colours | ({OTHER: shown.grey} if OTHER in names else {})


def unknown_chart(found: DiseaseFigures) -> alt.LayerChart:
    """The share of answers that said unknown, in each bucket."""
    known = {row.at: row.share for row in found.unknowns}
    name = "told as unknown"
    frame = pd.DataFrame(
        {
            "at": list(found.span.starts),
            "answer": name,
            "share of leaves": [known.get(at, math.nan) for at in found.span.starts],
        }
    )
    colour = {name: palette().purple}
    return lines(frame, ("answer", "share of leaves"), found.span, colour, (), ".1~%")


def unknown_alt(found: DiseaseFigures) -> str:
    """The share of all, and the largest."""
    worst = max(found.unknowns, key=lambda row: row.share)
    return (
        "A line of the share of leaves that were told as unknown, over time: "
        f"{found.unknown / found.leaves:.1%} of all, at most {worst.share:.1%}, from "
        f"{moment(worst.at)} UTC."
    )


def confidence_chart(found: DiseaseFigures) -> alt.LayerChart:
    """How many answers were how sure, and the mean as a line."""
    counts, mean = found.confidences.counts, found.confidences.mean
    width = 1 / len(counts)
    frame = pd.DataFrame(
        {
            "from": [number * width for number in range(len(counts))],
            "to": [(number + 1) * width for number in range(len(counts))],
            "leaves": counts,
        }
    )
    histogram = (
        alt.Chart(frame)
        .mark_bar(color=palette().blue)
        .encode(
            x=alt.X("from:Q", title="confidence", axis=alt.Axis(format=".0%"), bin="binned"),
            x2="to:Q",
            y=alt.Y("leaves:Q", axis=alt.Axis(tickMinStep=1, format="~s")),
            tooltip=[alt.Tooltip("from:Q", format=".0%"), alt.Tooltip("leaves:Q", format=",")],
        )
    )
    at = alt.Chart(pd.DataFrame({"mean": [mean], "told": [f"mean {mean:.1%}"]})).encode(x="mean:Q")
    rule = at.mark_rule(color=palette().text, strokeDash=[4, 3])
    text = at.mark_text(
        align="right" if mean > 0.5 else "left",
        dx=-5 if mean > 0.5 else 5,
        baseline="top",
        dy=4,
        fontWeight="bold",
        color=palette().text,
    ).encode(y=alt.value(0), text="told:N")
    return layered(CHART_HEIGHT, histogram, rule, text)


def confidence_alt(found: DiseaseFigures) -> str:
    """The mean, and how many were hardly sure."""
    counts = found.confidences.counts
    unsure = sum(counts[: len(counts) // 2])
    return (
        f"Histogram of how sure the model was: {found.confidences.mean:.1%} at the mean; "
        f"{unsure:,} of {found.confidences.answers:,} answers below 50 %."
    )
