"""A browser tab at the dashboard without a browser: Streamlit's own messages over a WebSocket.

For what no browser does: endpoints without a sign-in, sessions of others, floods.
"""

import io
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

PATIENCE = 60


@dataclass
class Tab:
    """One WebSocket of one browser, whose cookies are those of `http`.

    session_id: as the dashboard named it; widgets: ids by label; text: all that was shown.
    """

    http: httpx.Client
    socket: ClientConnection
    session_id: str = ""
    widgets: dict[str, str] = field(default_factory=dict)
    text: str = ""

    def run(self, values: Mapping[str, str | bool] | None = None) -> "Tab":
        """Have the page run, with the values of widgets by id, and read to the end of the run."""
        message = BackMsg()
        message.rerun_script.query_string = ""
        for widget, value in (values or {}).items():
            state = message.rerun_script.widget_states.widgets.add(id=widget)
            if isinstance(value, bool):
                state.trigger_value = value
            else:
                state.string_value = value
        self.socket.send(message.SerializeToString())
        return self.read()

    def read(self) -> "Tab":
        """Read until a run has ended that no other follows."""
        self.text = ""
        while True:
            told = ForwardMsg.FromString(self.socket.recv(timeout=PATIENCE, decode=False))
            kind = told.WhichOneof("type")
            if kind == "new_session":
                self.session_id = told.new_session.initialize.session_id or self.session_id
                self.widgets, self.text = {}, ""
            elif kind == "delta":
                self._note(told)
            elif kind == "script_finished" and told.script_finished in (
                ForwardMsg.FINISHED_SUCCESSFULLY,
                ForwardMsg.FINISHED_WITH_COMPILE_ERROR,
            ):
                return self

    def sign_in(self, name: str, password: str) -> "Tab":
        """Through the form; read until the page behind it is there."""
        self.run()
        ids = self.widgets
        self.run({ids["User name"]: name, ids["Password"]: password, ids["Sign in"]: True})
        assert "Signed in as" in self.text
        return self

    def put(self, data: bytes, session_id: str = "", file_id: str = "") -> httpx.Response:
        """Upload a file as the page's uploader does."""
        return self.http.put(
            self.upload_path(session_id, file_id),
            files={"file": ("leaf.png", io.BytesIO(data), "image/png")},
            headers=xsrf(self.http),
        )

    def upload_path(self, session_id: str = "", file_id: str = "") -> str:
        """Where a file of the session goes."""
        return f"/_stcore/upload_file/{session_id or self.session_id}/{file_id or uuid.uuid4()}"

    def _note(self, told: ForwardMsg) -> None:
        self.text += f"{told.delta}\n"
        element = told.delta.new_element
        kind = element.WhichOneof("type")
        widget: Any = getattr(element, kind) if kind else None
        if getattr(widget, "id", ""):
            self.widgets[getattr(widget, "label", "")] = widget.id


def xsrf(http: httpx.Client) -> dict[str, str]:
    """The header by which Streamlit knows that its own page asks."""
    return {"X-Xsrftoken": http.cookies.get("_streamlit_xsrf") or ""}


def browser(address: str) -> httpx.Client:
    """What loads the first page, and has its cookies afterwards."""
    client = httpx.Client(base_url=address, timeout=PATIENCE)
    client.get("/")
    client.get("/_stcore/health")
    return client


@contextmanager
def tab(http: httpx.Client, resume: str = "", patience_seconds: float = 30) -> Iterator[Tab]:
    """A tab of the browser until the block ends. resume: the session to go on with.

    patience_seconds: for which it tries again where it is refused, as a page does.
    """
    deadline = time.monotonic() + patience_seconds
    while True:
        try:
            socket = _connected(http, resume)
            break
        except InvalidStatus:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)
    with socket:
        yield Tab(http, socket)


def _connected(http: httpx.Client, resume: str) -> ClientConnection:
    address = f"{http.base_url}".rstrip("/").replace("http", "ws", 1)
    cookies = "; ".join(f"{each.name}={each.value}" for each in http.cookies.jar)
    return connect(
        f"{address}/_stcore/stream",
        subprotocols=["streamlit", "token", *([resume] if resume else [])],  # type: ignore[list-item]
        additional_headers={"Cookie": cookies},
        max_size=None,
        open_timeout=PATIENCE,
    )
