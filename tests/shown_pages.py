"""Pages of the dashboard, run without a browser, for a user who is signed in."""

import json
import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

from pydantic import TypeAdapter
from streamlit.testing.v1 import AppTest

from dashboard.client import SignIn
from dashboard.session import KEY
from leafgate.settings import Settings
from serving.routes.health import Health, LogHealth, Reference, ServedModel


def opened(page: str, settings: Settings, **query: str) -> AppTest:
    """The page of that name in `dashboard/pages`, with what stands in its URL, as an administrator
    sees it; not run yet.
    """
    return opened_by(("admin",), page, settings, query)


def opened_by(
    scopes: tuple[str, ...], page: str, settings: Settings, query: Mapping[str, str]
) -> AppTest:
    """The same as a user `ada` with these scopes sees it."""
    test = AppTest.from_function(
        _script, default_timeout=60, kwargs={"page": page, "settings": settings}
    )
    test.session_state[KEY] = SignIn("ada", "token", frozenset(scopes), time.time() + 3600)
    test.query_params.update(query)
    return test


def _script(page: str, settings: object) -> None:
    """Run by itself, as a script: it has no names of this file."""
    import importlib

    importlib.import_module(f"dashboard.pages.{page}").render(settings)


def metrics(test: AppTest) -> dict[str, str]:
    """Their values by label, as they stand on the page."""
    assert not test.exception, [each.value for each in test.exception]
    return {each.label: each.value for each in test.metric}


def read(markdown: str) -> str:
    """What stands escaped in it, as it is shown."""
    return re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", markdown)


def said(test: AppTest) -> str:
    """All sentences of the page, as they are shown: boxes and captions."""
    boxes = (test.error, test.warning, test.info, test.success, test.caption)
    return read("\n".join(each.value for some in boxes for each in some))


def alts(test: AppTest) -> list[str]:
    """What the charts say to who does not see them, in order."""
    return [each.proto.alt for each in test.get("vega_lite_chart")]


@contextmanager
def api_that_serves(reference: Reference | None, version: int = 1) -> Iterator[str]:
    """The address of a server that tells of one classifier, as the API does."""
    model = ServedModel(
        name="leaf", version=version, engine="cpu", problem=None, under_way=7, reference=reference
    )
    log = LogHealth(backlog=3, oldest_age_seconds=0.5, set_aside=0, dropped=0)
    health = Health(status="ok", request_log=log, limits="memory", models=[model])
    answers: dict[str, bytes] = {
        "/health": health.model_dump_json().encode(),
        "/models": TypeAdapter(list[ServedModel]).dump_json([model]),
    }

    class Serving(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(answers.get(self.path, json.dumps({}).encode()))

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    server = HTTPServer(("127.0.0.1", 0), Serving)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
