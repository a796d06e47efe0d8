"""Versions side by side: the figures that decide as charts, all figures and settings as tables."""

from collections.abc import Sequence

import altair as alt
import pandas as pd
import streamlit as st

from dashboard.calls.model_versions import Story, Version
from dashboard.elements import show_chart
from dashboard.plain_text import plain
from dashboard.theme import palette
from dashboard.versions.figures import (
    ENDS,
    MISSING,
    Headline,
    headlines,
    interval,
    is_number,
    with_interval,
    written,
)
from dashboard.versions.told import named

ROW, AROUND = 44, 115  # pixels of a chart: a row, and its title and axis
ACROSS = 3  # charts beside each other
LONG = 10  # rows, from which a table scrolls
DIFFERS, SAME = "≠", ""
HONEST = (
    "Lines are 95 % intervals, where the training logged them. Intervals that overlap do not prove "
    "two versions equal, nor does a difference between figures prove one better: each was measured "
    "in its own training. The gate asks both for the same images (of classifiers in a paired "
    "test), and is the judge."
)


def show_comparison(stories: Sequence[Story]) -> None:
    """Of two versions or more, oldest first."""
    versions = [story.version for story in stories]
    shown = headlines(version.metrics for version in versions)
    for start in range(0, len(shown), ACROSS):
        row = shown[start : start + ACROSS]
        for column, headline in zip(st.columns(ACROSS), row, strict=False):
            with column:
                _show_headline(headline, versions)
    if shown:
        st.caption(HONEST)
    st.markdown("**All figures of the training runs**")
    table = metrics_side_by_side(versions)
    st.table(
        table,
        hide_index=True,
        height=420 if len(table) > LONG else "content",
        alt="Figures of the training runs, side by side",
    )
    everything = st.toggle("Show settings that are the same, too")
    table = params_side_by_side(stories, only_differing=not everything)
    if table.empty:
        st.caption("Their training runs have the same settings, or none are on record.")
        return
    st.markdown("**Settings of the training runs**" + ("" if everything else " **that differ**"))
    st.table(table, hide_index=True, alt="Settings of the training runs, side by side")


def _show_headline(headline: Headline, versions: Sequence[Version]) -> None:
    frame = headline_frame(headline, versions)
    if not frame.empty:
        told = headline_words(headline, versions)
        show_chart(dots(headline, frame), told)


def headline_frame(headline: Headline, versions: Sequence[Version]) -> pd.DataFrame:
    """version, value, low, high, told: of those that have the figure; NaN without an interval."""
    rows = []
    for version in versions:
        value = version.metrics.get(headline.metric)
        if is_number(value):
            low, high = interval(version.metrics, headline.metric) or (float("nan"),) * 2
            told = with_interval(version.metrics, headline.metric)
            rows.append((named(version), value, low, high, told))
    return pd.DataFrame(rows, columns=["version", "value", "low", "high", "told"])


def headline_words(headline: Headline, versions: Sequence[Version]) -> str:
    """The chart as a sentence."""
    told = [
        f"version {named(v)}: {with_interval(v.metrics, headline.metric)}"
        for v in versions
        if is_number(v.metrics.get(headline.metric))
    ]
    return f"{headline.title}, {headline.better} is better: {'; '.join(told)}"


def dots(headline: Headline, frame: pd.DataFrame) -> alt.LayerChart | alt.FacetChart:
    """A dot a version with its interval as a line; the figures stand beside the dots."""
    colours = palette()
    y = alt.Y("version:N", title=None, sort=None, axis=alt.Axis(labelLimit=110))
    base = alt.Chart(frame).encode(y=y, tooltip=["version:N", alt.Tooltip("told:N", title="value")])
    scale = alt.Scale(zero=False, padding=24)
    axis = alt.Axis(title=f"{headline.better} is better", format="~g", tickCount=4)
    x = alt.X("value:Q", scale=scale, axis=axis)
    lines = base.transform_filter("isValid(datum.low)").encode(
        x=alt.X("low:Q", scale=scale, axis=axis), x2="high:Q"
    )
    return alt.layer(
        lines.mark_rule(color=colours.blue, strokeWidth=2, aria=False),
        base.encode(x=x).mark_point(filled=True, size=90, opacity=1, color=colours.blue),
        base.encode(x=x, text="told:N").mark_text(dy=-13, color=colours.text),
        title=alt.TitleParams(headline.title, anchor="start"),
    ).properties(height=ROW * len(frame) + AROUND)


def metrics_side_by_side(versions: Sequence[Version]) -> pd.DataFrame:
    """A row a figure, those of the test side first; the cells are Markdown.

    Two versions: how the later one differs. More: whether they differ.
    """
    names = {name for version in versions for name in version.metrics}
    parts = {name for name in names for end in ENDS if name.endswith(end)}
    own = {name for name in parts if name.rsplit("_", 1)[0] in names}  # else it stands for itself
    rows = []
    for name in sorted(names - own, key=lambda each: (not each.startswith("test_"), each)):
        cells = [with_interval(version.metrics, name) for version in versions]
        values = [version.metrics.get(name) for version in versions]
        rows.append(_row("Figure", name, cells, versions, _difference(values)))
    return pd.DataFrame(rows)


def _difference(values: Sequence[float | None]) -> str:
    if len(set(values)) <= 1:
        return SAME
    if len(values) == 2 and is_number(values[0]) and is_number(values[1]):
        change = float(values[1] or 0) - float(values[0] or 0)
        return f"{DIFFERS} {'+' if change > 0 else '-'}{written(abs(change))}"
    return DIFFERS


def params_side_by_side(stories: Sequence[Story], only_differing: bool) -> pd.DataFrame:
    """A row a setting; the cells are Markdown."""
    names = sorted({name for story in stories for name in story.params})
    versions = [story.version for story in stories]
    rows = []
    for name in names:
        cells = [story.params.get(name, MISSING) for story in stories]
        differs = len(set(cells)) > 1
        if differs or not only_differing:
            rows.append(_row("Setting", name, cells, versions, DIFFERS if differs else SAME))
    return pd.DataFrame(rows)


def _row(
    kind: str, name: str, cells: Sequence[str], versions: Sequence[Version], difference: str
) -> dict[str, str]:
    told = zip(versions, cells, strict=True)
    return {
        kind: plain(name),
        **{f"Version {plain(named(version))}": plain(cell) for version, cell in told},
        "Difference": plain(difference),
    }
