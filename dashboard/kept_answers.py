"""Answers that cannot change, asked for once in a browser session."""

from collections.abc import Callable, Hashable
from typing import TypeVar

import streamlit as st

KEY, MOST = "kept_answers", 60
Answer = TypeVar("Answer")


def kept(what: Hashable, ask: Callable[[], Answer]) -> Answer:
    """What `ask` answered when it was asked for `what` first; the oldest of many are forgotten.

    They are gone at sign-out, as everything else of the session.
    """
    answers: dict[Hashable, Answer] = st.session_state.setdefault(KEY, {})
    if what not in answers:
        answers[what] = ask()
        for oldest in list(answers)[:-MOST]:
            del answers[oldest]
    return answers[what]
