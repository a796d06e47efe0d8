"""Whether the figures are all there, and what waits in the service: what the API says of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import altair as alt
import pandas as pd
import streamlit as st

from dashboard.calls.service import LogState, Waiting, waiting
from dashboard.elements import show_chart
from dashboard.guard import problems_shown
from dashboard.plain_text import plain
from dashboard.session import client
from dashboard.theme import palette
from leafgate.settings import Settings

LATE_SECONDS = 30.0
HISTORY, MOST_KEPT = "waiting", 120
LOG = "log backlog"


@dataclass(frozen=True)
class Reading:
    """What waited at some time."""

    at: datetime
    found: Waiting


def show_waiting(settings: Settings) -> None:
    """How many images and log entries wait, and warnings where that is not as it should be. One
    call of the API.
    """
    with problems_shown():
        now = Reading(datetime.now(UTC), waiting(client(settings)))
        kept = [*st.session_state.get(HISTORY, ()), now][-MOST_KEPT:]
        st.session_state[HISTORY] = kept
        for warning in warnings_of(now.found.log):
            st.warning(warning, icon=":material/warning:")
        with st.container(horizontal=True):
            for label, value in waiting_figures(now.found).items():
                st.metric(label, value, width=165)
        with st.expander("Queue and backlog since this page was opened"):
            show_chart(waiting_chart(kept), waiting_alt(kept))


def waiting_figures(found: Waiting) -> dict[str, str]:
    """Each with its label. Images that are under way wait for the engine, or are in it."""
    queues = {f"Under way: {name}": f"{count:,}" for name, count in found.under_way.items()}
    log = found.log
    return {
        **queues,
        "Log backlog": f"{log.backlog:,}",
        "Oldest in the backlog": in_words(log.oldest_age_seconds),
    }


def waiting_chart(kept: Sequence[Reading]) -> alt.Chart:
    """Images under way and log entries not stored yet, as steps from reading to reading."""
    frame = pd.DataFrame(
        [
            (reading.at.replace(tzinfo=None), name, count)
            for reading in kept
            for name, count in _counts(reading.found).items()
        ],
        columns=["at", "of", "waiting"],
    )
    names = list(_counts(kept[-1].found))
    return (
        alt.Chart(frame)
        .mark_line(interpolate="step-after", point=True)
        .encode(
            x=alt.X("at:T", title="time (UTC)"),
            y=alt.Y("waiting:Q", axis=alt.Axis(tickMinStep=1, format="~s")),
            color=alt.Color(
                "of:N",
                title=None,
                scale=alt.Scale(domain=names, range=palette().series[: len(names)]),
                legend=alt.Legend(orient="top", columns=1, labelLimit=260),
            ),
            strokeDash=alt.StrokeDash("of:N", title=None, scale=alt.Scale(domain=names)),
            tooltip=["at:T", "of:N", alt.Tooltip("waiting:Q", format=",")],
        )
        .properties(height=180)
    )


def waiting_alt(kept: Sequence[Reading]) -> str:
    """The most of each."""
    told = [
        f"{name} at most {max(_counts(each.found).get(name, 0) for each in kept):,}"
        for name in _counts(kept[-1].found)
    ]
    return f"Lines of what waited in the last {len(kept)} readings: {', '.join(told)}."


def _counts(found: Waiting) -> dict[str, int]:
    return {**found.under_way, LOG: found.log.backlog}


def warnings_of(state: LogState) -> list[str]:
    """What a person should know of it, the worst first."""
    found = []
    if state.full:
        found.append("The log is full: the service refuses requests until the database takes rows.")
    if state.dropped:
        found.append(f"{state.dropped:,} requests were answered and are in no log.")
    if state.problem or state.oldest_age_seconds > LATE_SECONDS:
        reason = f" ({plain(state.problem)})" if state.problem else ""
        found.append(
            f"{state.backlog:,} requests of the last {in_words(state.oldest_age_seconds)} are not "
            f"in these figures yet{reason}. They are kept, and come in by themselves."
        )
    if state.set_aside:
        found.append(
            f"The database refused {state.set_aside:,} entries of the log; "
            "`leafgate db outbox` on the API's machine says why."
        )
    return found


def in_words(seconds: float) -> str:
    """A time as a person would say it."""
    for length, unit in ((86_400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"
