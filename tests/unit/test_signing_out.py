"""Signing out: the click is obeyed, whatever another run of the page does at that moment."""

import time
from pathlib import Path
from typing import Any

import pytest
from streamlit.runtime.state import SessionState
from streamlit.testing.v1 import AppTest

from dashboard.client import SignIn
from dashboard.session import KEY


def dashboard() -> None:
    from dashboard.app import main

    main()


@pytest.fixture
def signed_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    """The dashboard as `ada` sees it, while the API does not answer."""
    monkeypatch.setenv("LEAFGATE_API_URL", "http://127.0.0.1:1")
    monkeypatch.chdir(tmp_path)
    shown = AppTest.from_function(dashboard, default_timeout=60)
    shown.session_state[KEY] = SignIn("ada", "token", frozenset(), time.time() + 3600)
    return shown.run()


def sign_out(shown: AppTest) -> AppTest:
    (button,) = [each for each in shown.sidebar.button if each.label == "Sign out"]
    button.click()
    return shown.run()


def labels(shown: AppTest) -> list[str]:
    return [each.label for each in shown.text_input]


def test_signing_out_shows_the_form(signed_in: AppTest) -> None:
    assert "ada" in signed_in.sidebar.caption[0].value
    assert labels(sign_out(signed_in)) == ["User name", "Password"]
    assert KEY not in signed_in.session_state


def test_a_run_that_ends_between_the_click_and_the_button_takes_no_click_away(
    signed_in: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Streamlit starts a run for a click while the one before still waits for the API. Both share
    the state of the session, and the end of any run resets what was clicked.
    """
    begin = SessionState.on_script_will_rerun

    def and_then_the_run_before_ends(state: SessionState, *given: Any, **more: Any) -> None:
        begin(state, *given, **more)
        state.on_script_finished(frozenset(), remove_stale_widgets=False)

    monkeypatch.setattr(SessionState, "on_script_will_rerun", and_then_the_run_before_ends)
    assert labels(sign_out(signed_in)) == ["User name", "Password"]
    assert KEY not in signed_in.session_state
