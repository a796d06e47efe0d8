"""What belongs to one browser session: who is signed in. The token is kept nowhere else."""

import time
from collections.abc import Callable
from functools import partial
from ipaddress import ip_address
from typing import TypeVar

import streamlit as st
from streamlit import runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx

from dashboard.calls.service import check_token
from dashboard.client import ApiClient, ApiProblem, SignIn
from dashboard.web.sessions import BROWSER_COOKIE, CONNECTION_HEADER, Visitor, sessions
from leafgate.errors import UserError
from leafgate.settings import Settings
from sql.analytics import Viewer

KEY, NOTICE = "sign_in", "notice"
SIGNED_OUT = ("token_expired", "token_invalid", "token_missing", "token_revoked")
TOKEN_CHECK_SECONDS = 30  # how soon a revoked token ends a session
UPLOADING = "predict"  # the scope of the page that takes files
ENDED = "Your session has ended. Please sign in again."

Answer = TypeVar("Answer")


def signed_in() -> SignIn | None:
    """Who is signed in, if anybody; a token that has expired is forgotten."""
    found = st.session_state.get(KEY)
    if not isinstance(found, SignIn):  # Streamlit's widgets keep their values in the same place
        return None
    if found.is_over:
        sign_out(ENDED)
        return None
    return found


def record_session(who: SignIn | None) -> None:
    """Let the web server know whose browser this session is in, and who is signed in. Raises
    UserError, and signs out, where the user has too many sessions.
    """
    context = get_script_run_ctx()
    if context is None:
        return
    browser = browser_cookie()
    connection = st.context.headers.get(CONNECTION_HEADER, "")
    visitor = Visitor(who.name, UPLOADING in who.scopes, who.ends_at) if who else None
    try:
        sessions().record(context.session_id, browser, connection, visitor)
    except UserError:
        sign_out()
        raise


def client(settings: Settings) -> ApiClient:
    """The API as the signed-in user. Leads to the sign-in page where the token has expired."""
    who = signed_in()
    if who is None:
        st.rerun()
        raise AssertionError("a rerun ends the run")
    return ApiClient(settings.api_address, who.token, visitor_address())


def require_signed_in(settings: Settings) -> Viewer:
    """Who looks at the log, as the API said at the sign-in. Leads to the sign-in page where the
    token has expired or was revoked; while the API does not answer, only the first is known.
    """
    api = client(settings)
    remembered("token", TOKEN_CHECK_SECONDS, partial(_check_where_answered, api))
    who = signed_in()
    if who is None:
        raise AssertionError("a client has a signed-in user")
    return Viewer(who.name, "admin" in who.scopes)


def _check_where_answered(api: ApiClient) -> None:
    try:
        check_token(api)
    except ApiProblem as problem:
        if problem.code in SIGNED_OUT:
            raise


def browser_cookie() -> str:
    """What tells this browser from others; empty where it sent none."""
    return st.context.cookies.get(BROWSER_COOKIE, "")


def visitor_address() -> str | None:
    """Where the browser is; None: on this machine, or not known.

    Without the zone of an IPv6 address: any text may stand there, and would be part of a header.
    """
    try:
        return str(ip_address((st.context.ip_address or "").partition("%")[0]))
    except ValueError:
        return None


def remembered(key: str, seconds: float, ask: Callable[[], Answer]) -> Answer:
    """What `ask` answered, for so long, in this session: a page runs anew at every click, and each
    request of it would stand in the log.
    """
    kept = st.session_state.get(f"remembered {key}")
    if kept is None or time.monotonic() - kept[0] > seconds:
        kept = (time.monotonic(), ask())
        st.session_state[f"remembered {key}"] = kept
    answer: Answer = kept[1]
    return answer


def sign_out(notice: str = "") -> None:
    """Forget the token, all that was asked with it, and the uploaded files; `notice` is shown on
    the sign-in page.
    """
    st.session_state.clear()
    context = get_script_run_ctx()
    if context is not None and runtime.exists():
        sessions().sign_out(context.session_id)
        runtime.get_instance().uploaded_file_mgr.remove_session_files(context.session_id)
    st.session_state[NOTICE] = notice


def may(scope: str) -> bool:
    """Whether the signed-in user has the scope."""
    who = signed_in()
    return who is not None and scope in who.scopes
