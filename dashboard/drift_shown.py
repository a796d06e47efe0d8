"""Whether the answers have moved away from the training reference, on the Diseases page."""

import altair as alt
import pandas as pd
import streamlit as st

from dashboard import drift_words as words
from dashboard.calls.service import TrainingReference, training_reference
from dashboard.elements import show_chart
from dashboard.figures import Log
from dashboard.layers import layered
from dashboard.names import readable
from dashboard.plain_text import plain
from dashboard.session import client, remembered
from dashboard.theme import palette
from leafgate.settings import Settings
from sql import Span, analytics
from sql.analytics import Drift, Reference

KEPT_SECONDS = 15.0  # a roll-back shows soon
ROW_HEIGHT = 26
LABEL_WIDTH = 190
THEN, NOW = "when checked", "now"


def show_drift(settings: Settings, log: Log, span: Span) -> None:
    """The verdict in plain words, the shares then and now, and the indices for who wants them.

    Raises ApiProblem where the API does not tell the reference, and UserError where the log is
    away.
    """
    st.header("Drift against the training reference")
    known = remembered(
        "training reference", KEPT_SECONDS, lambda: training_reference(client(settings))
    )
    if known is None:
        st.info(
            "There is nothing to compare with: no classifier is in production, or it was trained "
            "before LeafGate kept what a version answers on its validation pictures. Train and "
            "promote one to see whether the leaves change.",
            icon=":material/info:",
        )
        return
    reference = Reference(known.version, known.classes, known.confidences)
    _show(analytics.drift(log, span, reference), known)


def _show(drift: Drift, known: TrainingReference) -> None:
    said = words.said_of(drift)
    box = {"success": st.success, "warning": st.warning, "error": st.error, "info": st.info}
    box[said.kind](f"**{said.heading}.** {said.meaning} What to do: {said.advice}", icon=said.icon)
    st.caption(
        f"{drift.samples:,} answers of {plain(known.model)} version {known.version} in this time, "
        f"whoever asked, against {drift.reference_samples:,} on its validation pictures. This is "
        "about what is answered, not about whether it is right."
    )
    show_chart(shares_chart(drift), shares_alt(drift))
    with st.expander("Drift as a table, with its indices"):
        st.table(words.shares_table(drift), hide_index=True, alt="Shares of each class")
        st.table(words.figures_table(drift), hide_index=True, alt="Indices of drift")
        st.markdown(
            "PSI, the population stability index, is 0 where nothing has moved; below 0.1 counts "
            "as steady, from 0.25 on as drifted. It is given together with what it stays below in "
            "95 of 100 cases by chance alone. The Jensen-Shannon divergence is 0 where nothing "
            "has moved and 1 bit where nothing is in common. Confidences are compared in about "
            "ten bins."
        )


def shares_chart(drift: Drift) -> alt.LayerChart:
    """Each class's share then and now: two marks, joined by a line."""
    rows = words.shares(drift)
    frame = pd.DataFrame(
        [
            (readable(row.class_name), when, share)
            for row in rows
            for when, share in ((THEN, row.then), (NOW, row.now))
        ],
        columns=["class", "when", "share"],
    )
    ends = pd.DataFrame(
        [(readable(row.class_name), row.then, row.now) for row in rows],
        columns=["class", "then", "now"],
    )
    side = alt.Y("class:N", sort=None, title=None, axis=alt.Axis(labelLimit=LABEL_WIDTH))
    share_axis = alt.Axis(format=".0%")
    line = (
        alt.Chart(ends)
        .mark_rule(color=palette().grey, strokeWidth=2)
        .encode(y=side, x=alt.X("then:Q", title="share of answers", axis=share_axis), x2="now:Q")
    )
    domain, colours = [THEN, NOW], [palette().grey, palette().blue]
    marks = (
        alt.Chart(frame)
        .mark_point(filled=True, size=90, opacity=1)
        .encode(
            y=side,
            x="share:Q",
            color=alt.Color(
                "when:N",
                title=None,
                scale=alt.Scale(domain=domain, range=colours),
                legend=alt.Legend(orient="top"),
            ),
            shape=alt.Shape(
                "when:N", title=None, scale=alt.Scale(domain=domain, range=["diamond", "circle"])
            ),
            tooltip=["class:N", "when:N", alt.Tooltip("share:Q", format=".1%")],
        )
    )
    return layered(ROW_HEIGHT * len(rows) + 70, line, marks)


def shares_alt(drift: Drift) -> str:
    """What has moved most."""
    moved = words.moved_in_words(drift) or "No class's share has moved by 2 points or more."
    return (
        "Two marks for each class: its share of the answers when the model was checked, and now. "
        f"{moved}"
    )
