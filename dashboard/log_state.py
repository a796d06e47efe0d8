"""Whether the figures are all there, and what waits in the service: what the API says of it."""

from dataclasses import dataclass

import streamlit as st

from dashboard.calls.service import LogState, Waiting, waiting
from dashboard.guard import problems_shown
from dashboard.session import client
from leafgate.settings import Settings

LATE_SECONDS = 30.0
HISTORY, MOST_KEPT = "waiting", 60


@dataclass(frozen=True)
class Figure:
    """One of what waits. past: what it was while this page is open, oldest first, it included."""

    label: str
    value: str
    past: tuple[float, ...]


def show_waiting(settings: Settings) -> None:
    """How many images and log entries wait, and warnings where that is not as it should be. One
    call of the API.
    """
    with problems_shown():
        now = waiting(client(settings))
        kept = [*st.session_state.get(HISTORY, ()), now][-MOST_KEPT:]
        st.session_state[HISTORY] = kept
        for warning in warnings_of(now.log):
            st.warning(warning, icon=":material/warning:")
        with st.container(horizontal=True):
            for figure in waiting_figures(kept):
                st.metric(figure.label, figure.value, chart_data=list(figure.past), width=210)


def waiting_figures(kept: list[Waiting]) -> list[Figure]:
    """Of the last of them, each with how it came to be."""
    now = kept[-1]
    found = [
        Figure(f"Images under way: {name}", f"{count:,}", _past(kept, name))
        for name, count in now.under_way.items()
    ]
    backlog = tuple(float(each.log.backlog) for each in kept)
    ages = tuple(each.log.oldest_age_seconds for each in kept)
    found.append(Figure("Log entries not stored yet", f"{now.log.backlog:,}", backlog))
    found.append(Figure("The oldest of them waits", in_words(now.log.oldest_age_seconds), ages))
    return found


def _past(kept: list[Waiting], model: str) -> tuple[float, ...]:
    return tuple(float(each.under_way.get(model, 0)) for each in kept)


def warnings_of(state: LogState) -> list[str]:
    """What a person should know of it, the worst first."""
    found = []
    if state.full:
        found.append("The log is full: the service refuses requests until the database takes rows.")
    if state.dropped:
        found.append(f"{state.dropped:,} requests were answered and are in no log.")
    if state.problem or state.oldest_age_seconds > LATE_SECONDS:
        reason = f" ({state.problem})" if state.problem else ""
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
