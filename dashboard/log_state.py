"""Whether the figures are all there: what the API says of the rows that are still on their way."""

import streamlit as st

from dashboard.calls.service import LogState, log_state
from dashboard.guard import problems_shown
from dashboard.session import client
from leafgate.settings import Settings

LATE_SECONDS = 30.0


def show_log_state(settings: Settings) -> None:
    """A line where all is well, warnings where it is not."""
    with problems_shown():
        state = log_state(client(settings))
        for warning in warnings_of(state):
            st.warning(warning)
        st.caption(
            f"Request log: {state.backlog:,} on the way to the database"
            + (f", the oldest for {in_words(state.oldest_age_seconds)}." if state.backlog else ".")
        )


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
