"""The dashboard's own logic: names, answers of the API, and its problems in words."""

import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from dashboard.calls.service import models
from dashboard.client import ApiClient, ApiProblem
from dashboard.names import readable
from dashboard.navigation import PAGES
from dashboard.plain_text import sentence
from dashboard.server import options
from dashboard.time_range import RANGES, TimeRange
from leafgate.settings import Settings
from sql import SCOPES
from sql.analytics.span import pieces
from tests.commands import free_port


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Tomato___Late_blight", "Tomato: Late blight"),
        ("Pepper,_bell___healthy", "Pepper, bell: healthy"),
        ("powdery_mildew", "Powdery mildew"),
        ("rust", "Rust"),
        ("7", "7"),
        ("___", "___"),
    ],
)
def test_class_names_are_shown_as_people_read_them(name: str, shown: str) -> None:
    assert readable(name) == shown


class Refusing(BaseHTTPRequestHandler):
    """Answers /token with a problem document, everything else with a plain page."""

    def do_POST(self) -> None:
        problem = {"detail": "wrong user name", "fix": "check both", "code": "bad_credentials"}
        self._send(401, json.dumps(problem).encode())

    def do_GET(self) -> None:
        self._send(502, b"<html>bad gateway</html>")

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def refusing() -> Iterator[ApiClient]:
    server = HTTPServer(("127.0.0.1", 0), Refusing)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield ApiClient(f"http://127.0.0.1:{server.server_port}")
    server.shutdown()
    server.server_close()


def test_a_problem_of_the_api_is_told_with_its_remedy(refusing: ApiClient) -> None:
    with pytest.raises(ApiProblem) as raised:
        refusing.sign_in("ada", "guess")
    problem = raised.value
    assert (problem.status, problem.code, problem.fix) == (401, "bad_credentials", "check both")


def test_an_answer_that_is_no_problem_document_is_told_too(refusing: ApiClient) -> None:
    with pytest.raises(ApiProblem, match="502"):
        models(refusing)


def test_an_api_that_is_away_is_told_with_its_address() -> None:
    port = free_port()
    with pytest.raises(ApiProblem, match=str(port)) as raised:
        models(ApiClient(f"http://127.0.0.1:{port}"))
    assert "leafgate serve" in raised.value.fix


def test_ranges_are_cut_into_a_readable_number_of_buckets() -> None:
    for name in RANGES:
        span = TimeRange(name).span()
        assert 10 <= (span.until - span.since) / span.bucket <= 60


def test_long_ranges_are_put_together_from_whole_days_and_hours() -> None:
    """What has to be counted from the rows is less than an hour, at either end."""
    for name in ("24 hours", "7 days", "30 days", "90 days"):
        rows = pieces(TimeRange(name).span().edges).rows
        assert sum((until - since for since, until in rows), timedelta()) < timedelta(hours=1)


def test_pages_have_addresses_of_their_own_and_known_scopes() -> None:
    assert len({page.path for page in PAGES}) == len(PAGES)
    assert {page.scope for page in PAGES} <= {None, *SCOPES}


def test_uploads_are_bounded_as_in_the_api(settings: Settings) -> None:
    assert options(settings)["server.maxUploadSize"] == 10
    assert options(settings)["browser.gatherUsageStats"] is False


def test_a_sentence_has_a_capital_and_one_full_stop() -> None:
    assert sentence("n=0") == "N=0."
    assert sentence("wrong name.") == "Wrong name."
