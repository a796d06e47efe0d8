"""Where everybody without a good token is: name and password, asked until they fit."""

import secrets

import streamlit as st

from dashboard.client import ApiClient
from dashboard.guard import problems_shown, show_problem
from dashboard.known_browsers import known_browsers
from dashboard.session import KEY, NOTICE, browser_cookie, visitor_address
from leafgate.settings import Settings
from leafgate.unicode_forms import nfc

FORM = "sign-in form"


def sign_in_page(settings: Settings) -> None:
    """The page."""
    st.title("LeafGate")
    st.caption("Sign in to diagnose leaves, make synthetic ones and watch the service.")
    if notice := st.session_state.pop(NOTICE, ""):
        st.info(notice)
    # Fields of their own for each sign-in: a browser keeps what was typed into those of before
    # until a run of a page has ended, and would show it again after signing out.
    form = st.session_state.setdefault(FORM, secrets.token_hex(4))
    with st.form(f"sign-in {form}"):
        name = st.text_input("User name", autocomplete="username", key=f"user name {form}")
        password = st.text_input(
            "Password", type="password", autocomplete="current-password", key=f"password {form}"
        )
        asked = st.form_submit_button("Sign in", type="primary")
    if asked:
        browser, known, name = browser_cookie(), known_browsers(), nfc(name)
        if lacking := _lacking(name, password):
            show_problem(*lacking)
            return
        with problems_shown():
            device = known.find(browser, name)
            who = ApiClient(settings.api_address, None, visitor_address(), device).sign_in(
                name, password
            )
            known.keep(browser, name, who.device)
            st.session_state[KEY] = who
            st.rerun()


def _lacking(name: str, password: str) -> tuple[str, str] | None:
    """What is left out, and what to do; None where nothing is. The API need not be asked."""
    if not name.strip():
        return (
            ("the user name is empty", "enter a user name")
            if password
            else ("user name and password are empty", "enter a user name and a password")
        )
    return None if password else ("the password is empty", "enter a password")
