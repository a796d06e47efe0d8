"""The frame of every page: sign-in, what the user may open, and the page itself."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import streamlit as st

from dashboard.calls.service import models
from dashboard.client import SignIn
from dashboard.guard import problems_shown
from dashboard.navigation import PAGES, Entry, is_offered, no_scope_page
from dashboard.plain_text import plain
from dashboard.session import client, record_session, require_signed_in, sign_out, signed_in
from dashboard.sign_in import sign_in_page
from dashboard.theme import show_style
from leafgate.settings import Settings, load_settings

ICON = Path(__file__).with_name("leaf.svg")  # Streamlit fetches its own icons from elsewhere


def main() -> None:
    """One run: what a visitor sees now."""
    st.set_page_config(page_title="LeafGate", page_icon=str(ICON), layout="wide")
    show_style()
    with problems_shown():
        settings = load_settings()
        who = signed_in()
        record_session(who)
        _navigate(settings, who)


def _navigate(settings: Settings, who: SignIn | None) -> None:
    """The page that the address names; for somebody who has not signed in, the form in its place,
    so that a link leads on to its page afterwards.
    """
    if who is None:
        form = partial(sign_in_page, settings)
        pages = [_root(form), *(_page(entry, form) for entry in PAGES)]
        st.navigation(pages, position="hidden").run()
        return
    offered = [entry for entry in PAGES if is_offered(entry, who.scopes)]
    shown = [_page(entry, partial(entry.render, settings)) for entry in offered]
    refused = [
        _page(entry, partial(no_scope_page, entry), hidden=True)
        for entry in PAGES
        if entry not in offered
    ]
    chosen = st.navigation([_root(partial(st.switch_page, shown[0])), *shown, *refused])
    with st.sidebar:
        _sidebar(settings, who.name)
    chosen.run()


def _root(render: Callable[[], None]) -> Any:  # noqa: ANN401 - a page of Streamlit's
    """What the bare address shows; none of ours, since the default page has no other address."""
    return st.Page(
        _guarded(render), title="LeafGate", url_path="root", default=True, visibility="hidden"
    )


def _page(entry: Entry, render: Callable[[], None], hidden: bool = False) -> Any:  # noqa: ANN401
    return st.Page(
        _guarded(render),
        title=entry.title,
        icon=entry.icon,
        url_path=entry.path,
        visibility="hidden" if hidden else "visible",
    )


def _guarded(render: Callable[[], None]) -> Callable[[], None]:
    def shown() -> None:
        with problems_shown():
            render()

    return shown


def _sidebar(settings: Settings, name: str) -> None:
    st.caption(f"Signed in as **{plain(name)}**")
    # Called before the page runs: a run of before that ends meanwhile would reset the button.
    st.button("Sign out", on_click=sign_out)
    with problems_shown():
        require_signed_in(settings)
        for model in models(client(settings)):
            if model.version is None:
                st.warning(plain(f"{model.name} is not served: {model.problem}"))
            else:
                st.caption(plain(f"{model.name}: version {model.version} in {model.alias}"))
