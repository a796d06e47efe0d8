"""What Streamlit runs, once for every interaction: sign-in, then the page."""

import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import streamlit as st

# Streamlit puts this folder on the path, where `pages` would be found as a package of its own.
sys.path[:] = [entry for entry in sys.path if Path(entry or ".") != Path(__file__).parent]

from dashboard.calls.service import models  # noqa: E402
from dashboard.guard import problems_shown  # noqa: E402
from dashboard.navigation import PAGES, Entry  # noqa: E402
from dashboard.session import client, sign_out, signed_in  # noqa: E402
from dashboard.sign_in import sign_in_page  # noqa: E402
from leafgate.settings import Settings, load_settings  # noqa: E402


def main() -> None:
    """One run of the script."""
    st.set_page_config(page_title="LeafGate", page_icon=":material/eco:", layout="wide")
    settings = load_settings()
    who = signed_in()
    if who is None:
        # Every page stands for the sign-in form, so that a link leads on to its page afterwards.
        st.navigation(_pages(settings, PAGES, sign_in=True), position="hidden").run()
        return
    with st.sidebar:
        _sidebar(settings, who.name)
    offered = [entry for entry in PAGES if entry.scope is None or entry.scope in who.scopes]
    st.navigation(_pages(settings, offered)).run()


def _pages(settings: Settings, entries: Sequence[Entry], sign_in: bool = False) -> list[Any]:
    return [
        st.Page(
            partial(_shown, sign_in_page if sign_in else entry.render, settings),
            title=entry.title,
            icon=entry.icon,
            url_path=entry.path,
            default=number == 0,
        )
        for number, entry in enumerate(entries)
    ]


def _shown(page: Callable[[Settings], None], settings: Settings) -> None:
    """The page, or what went wrong."""
    with problems_shown():
        page(settings)


def _sidebar(settings: Settings, name: str) -> None:
    st.caption(f"Signed in as **{name}**")
    if st.button("Sign out"):
        sign_out()
        st.rerun()
    with problems_shown():
        for model in models(client(settings)):
            if model.version is None:
                st.warning(f"{model.name} is not served: {model.problem}")
            else:
                st.caption(f"{model.name}: version {model.version} in {model.alias}")


main()
