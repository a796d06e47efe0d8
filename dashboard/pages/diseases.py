"""Diseases: which classes were answered how often, how surely, and when."""

import altair as alt
import pandas as pd
import streamlit as st

from dashboard.figures import Log, chosen_span, local_times, open_log, over_time
from dashboard.guard import problems_shown
from dashboard.names import readable
from dashboard.theme import LIGHT, palette
from leafgate.settings import Settings
from sql import Span, analytics

MOST_SERIES = len(LIGHT.series)


def render(settings: Settings) -> None:
    """The page."""
    st.title("Diseases")
    span = chosen_span()
    with problems_shown(), open_log(settings) as log:
        _show(log, span)


def _show(log: Log, span: Span) -> None:
    counts = analytics.disease_frequency(log, span)
    if not counts:
        st.info("No leaf was diagnosed in this time. Diagnose one, or choose a longer range.")
        return
    st.caption("What the model answered; not what was confirmed.")
    st.altair_chart(frequency_bars(counts), width="stretch")
    st.subheader("Over time")
    shown = [count.class_name for count in counts[:MOST_SERIES]]
    st.altair_chart(_over_time(log, span, shown), width="stretch")


def frequency_bars(counts: tuple[analytics.ClassCount, ...]) -> alt.Chart:
    """Answers of each class; the mean confidence is told beside its bar."""
    frame = pd.DataFrame(
        {
            "class": [readable(count.class_name) for count in counts],
            "leaves": [count.count for count in counts],
            "told": [f"{c.count}, mean confidence {c.mean_confidence:.0%}" for c in counts],
        }
    )
    base = alt.Chart(frame).encode(
        x=alt.X("leaves:Q", axis=alt.Axis(tickMinStep=1)),
        y=alt.Y("class:N", sort="-x", title=None, axis=alt.Axis(labelLimit=260)),
        tooltip=["class:N", "told:N"],
    )
    labels = base.mark_text(align="left", dx=4).encode(text="told:N")
    return (base.mark_bar(color=palette().blue) + labels).properties(height=36 * len(counts) + 80)


def _over_time(log: Log, span: Span, shown: list[str]) -> alt.Chart:
    rows = analytics.diseases_over_time(log, span)
    kept = [row for row in rows if row.class_name in shown]
    frame = pd.DataFrame(
        {
            "at": local_times([row.at for row in kept]),
            "class": [readable(row.class_name) for row in kept],
            "leaves": [row.count for row in kept],
        }
    )
    colours = dict(zip([readable(name) for name in shown], palette().series, strict=False))
    return over_time(frame, "leaves", "class", colours, stacked=True)
