"""Signing out while a page waits for an API that does not answer: it does not wait for that."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from tests.commands import environment, free_port, service
from tests.dashboard_tab import PATIENCE, Tab, browser, tab
from tests.integration.test_api_answers import eventually
from tests.small_server import SmallServer, ok, serving

TOKEN = {"access_token": "t", "expires_in": 3600, "scope": "", "user": "ada"}


@pytest.fixture
def silent() -> Iterator[SmallServer]:
    """An API that signs everybody in, and answers nothing else."""
    token = ok(json.dumps(TOKEN).encode())
    with serving(lambda number: token if number == 0 else None) as server:
        yield server


@pytest.fixture
def dashboard(silent: SmallServer, tmp_path: Path) -> Iterator[str]:
    port = free_port()
    api = f"http://127.0.0.1:{silent.port}"
    env = environment(tmp_path / "var", api_url=api, dashboard_port=port)
    address = f"http://127.0.0.1:{port}"
    with service("dashboard", f"{address}/_stcore/health", env, tmp_path / "log"):
        yield address


def read_until(each: Tab, label: str) -> None:
    """Read what is shown until there is a widget of that label; the run goes on."""
    while label not in each.widgets:
        told = ForwardMsg.FromString(each.socket.recv(timeout=PATIENCE, decode=False))
        if told.WhichOneof("type") == "delta":
            each._note(told)


def click(each: Tab, values: dict[str, str | bool]) -> None:
    """Send what a browser sends, and read nothing."""
    message = BackMsg()
    for widget, value in values.items():
        state = message.rerun_script.widget_states.widgets.add(id=widget)
        if isinstance(value, bool):
            state.trigger_value = value
        else:
            state.string_value = value
    each.socket.send(message.SerializeToString())


def test_the_form_is_there_while_the_api_is_still_silent(
    dashboard: str, silent: SmallServer
) -> None:
    with tab(browser(dashboard)) as each:
        each.run()
        ids = dict(each.widgets)
        typed = {ids["User name"]: "ada", ids["Password"]: "secret"}
        click(each, {**typed, ids["Sign in"]: True})
        read_until(each, "Sign out")
        assert eventually(lambda: len(silent.bodies) == 2)  # the page asks, and waits
        # A browser still knows the fields of the form: no run has ended since.
        each.run({**typed, each.widgets["Sign out"]: True})
        assert "User name" in each.widgets
        assert "Signed in as" not in each.text
        assert each.widgets["Password"] != ids["Password"]  # it would show the password again
        assert len(silent.bodies) == 2
