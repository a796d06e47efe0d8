"""Waiting for the API in a way that ends where the user has clicked something else meanwhile.

Streamlit ends a run for the next one only where the run calls it. An answer may take a minute, and
signing out must not wait for it. What was asked goes on in its thread; its answer is dropped.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TypeVar

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

LOOK_SECONDS = 0.1

Answer = TypeVar("Answer")


def waited_for(ask: Callable[[], Answer]) -> Answer:
    """What `ask` returns or raises. Ends the run of the page where another is due."""
    if get_script_run_ctx(suppress_warning=True) is None:  # nobody clicks here
        return ask()
    asked: Future[Answer] = Future()
    # A daemon, so that the dashboard stops without waiting for the API; no pool has those.
    threading.Thread(target=_keep, args=(ask, asked), name="asking", daemon=True).start()
    while not wait([asked], LOOK_SECONDS).done:
        _end_where_another_run_is_due()
    return asked.result()


def _keep(ask: Callable[[], Answer], asked: Future[Answer]) -> None:
    try:
        asked.set_result(ask())
    except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits
        asked.set_exception(error)


def _end_where_another_run_is_due() -> None:
    """Streamlit looks at each use of the session's state."""
    _ = "anything" in st.session_state
