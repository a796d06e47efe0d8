"""Single requests on the Traffic page: the latest, page by page, and one with all of it."""

from collections.abc import Sequence

import streamlit as st

from dashboard.choosing import storable
from dashboard.elements import show_data_frame
from dashboard.figures import Log, open_log
from dashboard.guard import problems_shown
from dashboard.plain_text import plain
from dashboard.requests_shown import known_of, latest_table
from leafgate.settings import Settings
from sql import analytics
from sql.analytics import LoggedRequest, Viewer

PAGE_ROWS = 25
PAGES, TABLE, REQUEST = "request_pages", "latest_requests", "request"


def single_requests(settings: Settings) -> None:
    """One request by its id, which stands in the URL, and the latest below."""
    st.header("One request")
    identifier = st.text_input(
        "Request id",
        key=REQUEST,
        bind="query-params",
        max_chars=100,
        placeholder="from an answer, or choose a row below",
    )
    with problems_shown(), open_log(settings) as (log, viewer):
        if identifier:
            _one(log, viewer, storable(identifier))
        st.header("Latest requests")
        _latest(log, viewer)


def _one(log: Log, viewer: Viewer, identifier: str) -> None:
    found = analytics.visible_request(log, identifier, viewer)
    if found is None:
        st.warning(
            f"No request or image {plain(identifier)} is in the log. Check the id; a request "
            "of the last seconds may be on its way, and an old one may have been pruned.",
            icon=":material/search_off:",
        )
        return
    for name, table in known_of(found).items():
        st.markdown(f"**{name}**")
        st.table(table, hide_index=True, alt=f"{name}: all that is logged")
    st.caption("The address of this page shows this request again.")


def _latest(log: Log, viewer: Viewer) -> None:
    """A page of them. Which ones stand on earlier pages is remembered by their last rows."""
    pages: tuple[LoggedRequest, ...] = st.session_state.get(PAGES, ())
    rows = analytics.visible_requests(log, viewer, PAGE_ROWS, pages[-1] if pages else None)
    if not rows:
        st.info("There are no older requests." if pages else "No request has been logged yet.")
    else:
        _table(rows)
    with st.container(horizontal=True):
        full = len(rows) == PAGE_ROWS
        st.button("Older", disabled=not full, on_click=_turn, args=((*pages, *rows[-1:]),))
        st.button("Newest", disabled=not pages, on_click=_turn, args=((),))
    where = f"page {len(pages) + 1}" if pages else "the newest"
    st.caption(f"Of all requests, {where}. Choose a row to see all of it above.")


def _table(rows: Sequence[LoggedRequest]) -> None:
    st.session_state[TABLE] = [row.id for row in rows]
    show_data_frame(
        latest_table(rows),
        hide_index=True,
        key=f"latest {rows[0].id}",  # a choice is of a row number, and ends with these rows
        on_select=_choose,
        selection_mode="single-row",
        alt=f"The {len(rows)} latest requests, newest first",
    )


def _turn(pages: tuple[LoggedRequest, ...]) -> None:
    st.session_state[PAGES] = pages


def _choose() -> None:
    """The id of the chosen row goes into the field above."""
    ids = st.session_state.get(TABLE) or [""]
    chosen = st.session_state[f"latest {ids[0]}"].selection.rows
    if chosen:
        st.session_state[REQUEST] = ids[chosen[0]]
