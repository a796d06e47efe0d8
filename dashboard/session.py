"""What belongs to one browser session: who is signed in. The token is kept nowhere else."""

from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from dashboard.client import ApiClient, ApiProblem, SignIn
from leafgate.settings import Settings

KEY, NOTICE = "sign_in", "notice"
SIGNED_OUT = ("token_expired", "token_invalid", "token_missing", "token_revoked")


def signed_in() -> SignIn | None:
    """Who is signed in, if anybody."""
    found: SignIn | None = st.session_state.get(KEY)
    return found


def client(settings: Settings) -> ApiClient:
    """The API as the signed-in user."""
    who = signed_in()
    return ApiClient(settings.api_address, who.token if who else None)


def sign_out(notice: str = "") -> None:
    """Forget the token; `notice` is shown on the sign-in page."""
    st.session_state.pop(KEY, None)
    st.session_state[NOTICE] = notice


@contextmanager
def problems_shown() -> Iterator[None]:
    """Show an ApiProblem where the block stands; a token that ran out leads to the sign-in page."""
    try:
        yield
    except ApiProblem as problem:
        if problem.code in SIGNED_OUT:
            sign_out("Your session has ended. Please sign in again.")
            st.rerun()
        st.error(f"{sentence(problem.detail)} What to do: {problem.fix}.")


def sentence(text: str) -> str:
    """With a capital and a full stop."""
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."


def sign_in_page(settings: Settings) -> None:
    """Name and password, asked until they fit."""
    st.title("LeafGate")
    st.caption("Sign in to diagnose leaves, make synthetic ones and watch the service.")
    if notice := st.session_state.pop(NOTICE, ""):
        st.info(notice)
    with st.form("sign-in"):
        name = st.text_input("User name", autocomplete="username")
        password = st.text_input("Password", type="password", autocomplete="current-password")
        asked = st.form_submit_button("Sign in", type="primary")
    if asked:
        with problems_shown():
            st.session_state[KEY] = ApiClient(settings.api_address).sign_in(name, password)
            st.rerun()
