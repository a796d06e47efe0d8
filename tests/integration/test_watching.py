"""Watching the API: /metrics and its token, traces to a real collector, ids and Allow."""

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from serving.metrics import CONTENT_TYPE
from tests.integration.conftest import RunningApi, StartApi, api_settings
from tests.integration.test_api_answers import eventually, png

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def test_metrics_are_open_and_speak_of_routes_never_of_paths(api: RunningApi) -> None:
    assert api.client.post("/predict", files={"file": ("a.png", png())}).status_code == 200
    assert httpx.get(f"{api.url}/made/up/path").status_code == 404
    answer = httpx.get(f"{api.url}/metrics")
    assert answer.headers["content-type"] == CONTENT_TYPE
    text = answer.text
    assert 'requests_total{endpoint="/predict",method="POST",status="200"} 1.0' in text
    assert 'requests_total{endpoint="other",method="GET",status="404"} 1.0' in text
    assert 'refused_total{reason="not_found"} 1.0' in text
    assert 'images_total{model="leaf-classifier",version="1"} 1.0' in text
    assert 'model_live{digest="' in text
    assert 'stage_seconds_count{stage="engine"} 1.0' in text
    assert "made/up" not in text
    assert "ada" not in text


def test_metrics_are_for_the_scraper_alone_where_it_has_a_token(
    served_var: Path, tmp_path: Path, start_api: StartApi
) -> None:
    api = start_api(api_settings(served_var, tmp_path, metrics_token="scraper-token"))
    codes = {}
    for sent in ("", "another", "schütz", "scraper-token"):
        headers = {b"Authorization": f"Bearer {sent}".encode()} if sent else {}
        answer = httpx.get(f"{api.url}/metrics", headers=headers)
        codes[sent] = answer.status_code if answer.is_success else answer.json()["code"]
    assert codes == {
        "": "token_missing",
        "another": "token_invalid",
        "schütz": "token_invalid",
        "scraper-token": 200,
    }


@pytest.mark.parametrize("token", [None, ""])
def test_beyond_loopback_metrics_are_closed_without_a_token(
    served_var: Path, tmp_path: Path, start_api: StartApi, token: str | None
) -> None:
    overrides = {"host": "0.0.0.0", "metrics_token": token}
    api = start_api(api_settings(served_var, tmp_path, **overrides))
    for headers in ({}, {"Authorization": "Bearer x"}, {"X-Forwarded-For": "127.0.0.1"}):
        answer = httpx.get(f"{api.url}/metrics", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "metrics_closed")
    assert "LEAFGATE_METRICS_TOKEN" in answer.json()["fix"]


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("GET", "/nothing", 404, None),
        ("PUT", "/generate", 405, "GET, POST"),
        ("GET", "/predict", 405, "POST"),
        ("POST", "/health", 405, "GET, HEAD"),
        ("OPTIONS", "/metrics", 405, "GET, HEAD"),
    ],
)
def test_a_wrong_turn_is_told_the_way(
    api: RunningApi, method: str, path: str, status: int, allow: str | None
) -> None:
    answer = httpx.request(method, f"{api.url}{path}")
    assert (answer.status_code, answer.headers.get("allow")) == (status, allow)
    assert answer.headers["x-request-id"] == answer.json()["request_id"]


@pytest.mark.parametrize(
    ("content_type", "body", "status", "code"),
    [
        ("multipart/form-data", b"x", 400, "malformed_body"),
        ("multipart/form-data; boundary=b", b"--b\r\nno header at all", 400, "malformed_body"),
        ("multipart/form-data; boundary=b", b"--c\r\n\r\n--c--", 400, "malformed_body"),
        ("text/plain", b"x", 415, "unsupported_media_type"),
    ],
)
def test_a_body_that_is_no_form_is_a_problem_of_the_caller(
    api: RunningApi, content_type: str, body: bytes, status: int, code: str
) -> None:
    answer = api.client.post("/predict", content=body, headers={"content-type": content_type})
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_no_refusal_repeats_a_password_or_breaks_on_strange_letters(api: RunningApi) -> None:
    form = {"username": "ada", "password": "hunter2", "grant_type": "nonsense"}
    assert "hunter2" not in httpx.post(f"{api.url}/token", data=form).text
    headers = {"content-type": "application/json"}
    strange = rb'{"format": "\ud800", "n": 1}'  # half of a pair: no text in UTF-8
    answer = api.client.post("/generate", content=strange, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert httpx.get(f"{api.url}/a%00b%ff").status_code == 404


@contextmanager
def collector() -> Iterator[tuple[str, list[Span]]]:
    """A server that takes OTLP over HTTP: its address, and the spans that came."""
    spans: list[Span] = []

    class Takes(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            assert self.path == "/v1/traces"
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                spans.extend(span for scope in resource.scope_spans for span in scope.spans)
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Takes)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", spans
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def told(span: Span) -> dict[str, object]:
    return {
        item.key: getattr(item.value, item.value.WhichOneof("value") or "string_value")
        for item in span.attributes
    }


def test_a_request_is_a_span_with_its_id_route_and_model_in_the_callers_trace(
    served_var: Path, tmp_path: Path, start_api: StartApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
    with collector() as (address, spans):
        api = start_api(api_settings(served_var, tmp_path, otlp_endpoint=address))
        headers = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
        answer = api.client.post("/predict", files={"file": ("a.png", png())}, headers=headers)
        httpx.get(f"{api.url}/health")
        assert eventually(lambda: any(span.name == "POST /predict" for span in spans))
    (root,) = [span for span in spans if span.name == "POST /predict"]
    assert (root.trace_id.hex(), root.parent_span_id.hex()) == (TRACE, PARENT)
    about = told(root)
    assert about["leafgate.request_id"] == answer.headers["x-request-id"]
    assert about["http.route"] == "/predict"
    assert about["http.response.status_code"] == 200
    assert (about["leafgate.model.name"], about["leafgate.model.version"]) == ("leaf-classifier", 1)
    children = {span.name for span in spans if span.parent_span_id == root.span_id}
    assert "fastapi.endpoint" in children
    assert not [span for span in spans if "/health" in span.name]


def test_without_an_endpoint_nothing_of_the_exporter_is_imported(tmp_path: Path) -> None:
    import subprocess
    import sys

    code = (
        "import sys; from leafgate.settings import Settings; from serving.app import create_app; "
        "create_app(Settings(_env_file=None, jwt_secret='s' * 40)); "
        "print([m for m in sys.modules if m.startswith('opentelemetry.exporter')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
