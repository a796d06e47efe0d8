"""The frame of every page: sign-in, what the user may open, and the page itself."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import streamlit as st

from dashboard.calls.service import check_token, models
from dashboard.client import SignIn
from dashboard.guard import problems_shown
from dashboard.navigation import HOME, PAGES, Entry, is_offered, no_scope_page
from dashboard.session import client, remembered, sign_out, signed_in
from dashboard.sign_in import sign_in_page
from dashboard.theme import show_style
from leafgate.settings import Settings, load_settings

ICON = Path(__file__).with_name("leaf.svg")  # Streamlit fetches its own icons from elsewhere
TOKEN_CHECK_SECONDS = 60


def main() -> None:
    """One run: what a visitor sees now."""
    st.set_page_config(page_title="LeafGate", page_icon=str(ICON), layout="wide")
    show_style()
    with problems_shown():
        settings = load_settings()
        _navigate(settings, signed_in())


def _navigate(settings: Settings, who: SignIn | None) -> None:
    """The page that the address names; for somebody who has not signed in, the form in its place,
    so that a link leads on to its page afterwards.
    """
    if who is None:
        pages = [_page(entry, partial(sign_in_page, settings)) for entry in (HOME, *PAGES)]
        st.navigation(pages, position="hidden").run()
        return
    offered = [entry for entry in PAGES if is_offered(entry, who.scopes)]
    shown = [_page(entry, partial(entry.render, settings)) for entry in offered]
    refused = [
        _page(entry, partial(no_scope_page, entry), hidden=True)
        for entry in PAGES
        if entry not in offered
    ]
    home = _page(HOME, partial(st.switch_page, shown[0]), hidden=True)
    chosen = st.navigation([home, *shown, *refused])
    with st.sidebar:
        _sidebar(settings, who.name)
    chosen.run()


def _page(entry: Entry, render: Callable[[], None], hidden: bool = False) -> Any:  # noqa: ANN401
    def shown() -> None:
        with problems_shown():
            render()

    return st.Page(
        shown,
        title=entry.title,
        icon=entry.icon,
        url_path=entry.path,
        default=entry is HOME,
        visibility="hidden" if hidden else "visible",
    )


def _sidebar(settings: Settings, name: str) -> None:
    st.caption(f"Signed in as **{name}**")
    if st.button("Sign out"):
        sign_out()
        st.rerun()
    with problems_shown():
        api = client(settings)
        remembered("token", TOKEN_CHECK_SECONDS, partial(check_token, api))
        for model in models(api):
            if model.version is None:
                st.warning(f"{model.name} is not served: {model.problem}")
            else:
                st.caption(f"{model.name}: version {model.version} in {model.alias}")
