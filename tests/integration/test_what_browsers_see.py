"""Headers of answers, the documentation page, and what /health says to whom."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from serving.protocol_refusals import BAD_REQUEST
from serving.security_headers import SECURITY_HEADERS
from sql import open_database, set_scopes
from tests.integration.conftest import RunningApi, api_settings, starting_apis
from tests.integration.test_api_answers import eventually

PLACES = ("/srv/leafgate", "hunter2", "10.0.3.7", "leafgate_service")
MODEL_PROBLEM = "version 3 cannot be loaded (/srv/leafgate/var/models/9f2c is damaged)"
LOG_PROBLEM = 'connection to 10.0.3.7 failed for user "leafgate_service" with hunter2'


@pytest.fixture(scope="module")
def api(empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApi]:
    """An API without models, behind a proxy on this machine."""
    folder = tmp_path_factory.mktemp("browsers")
    more = {"model_poll_seconds": 60, "trusted_proxies": "127.0.0.1"}
    with starting_apis() as start:
        yield start(api_settings(empty_store, folder, **more))


def test_every_answer_keeps_browsers_from_more_than_it_is_for(api: RunningApi) -> None:
    answers = [
        httpx.get(f"{api.url}/health"),
        httpx.get(f"{api.url}/nothing"),
        httpx.post(f"{api.url}/predict"),
        httpx.post(f"{api.url}/token", data={"username": "ada", "password": "wrong"}),
        api.client.get("/models"),
        httpx.get(f"{api.url}/openapi.json"),
    ]
    for answer in answers:
        for name, value in SECURITY_HEADERS:
            assert answer.headers[name.decode()] == value.decode(), answer.url
        assert "strict-transport-security" not in answer.headers
    for name, value in SECURITY_HEADERS:
        assert name + b": " + value in BAD_REQUEST.answer()


def test_over_tls_alone_browsers_are_told_to_stay_there(api: RunningApi) -> None:
    answer = httpx.get(f"{api.url}/health", headers={"X-Forwarded-Proto": "https"})
    assert answer.headers["strict-transport-security"].startswith("max-age=")


def test_the_documentation_page_loads_nothing_from_elsewhere(api: RunningApi) -> None:
    page = httpx.get(f"{api.url}/docs")
    assert page.headers["content-type"].startswith("text/html")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "frame-ancestors 'none'" in policy
    assert "http" not in policy
    wanted = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(wanted) == 4
    for path in wanted:
        answer = httpx.get(f"{api.url}/{path}")
        assert answer.status_code == 200, path
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert "<script>" not in page.text
    start = httpx.get(f"{api.url}/docs/start.js").text
    assert "validatorUrl: null" in start  # else Swagger UI asks a public host
    document = httpx.get(f"{api.url}/openapi.json").json()
    assert document == api.app.openapi()
    assert httpx.get(f"{api.url}/redoc").status_code == 404
    assert httpx.get(f"{api.url}/docs/page.html").status_code == 404
    assert httpx.get(f"{api.url}/docs/../app.py").status_code == 404


def test_places_are_named_to_a_token_with_scope_admin_alone(
    api: RunningApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = api.app.state.leafgate
    monkeypatch.setattr(state.models.classifier, "problem", MODEL_PROBLEM)
    monkeypatch.setattr(state.log._mover.state, "problem", LOG_PROBLEM)
    invalid = {"Authorization": "Bearer nonsense"}
    answers = [
        httpx.get(f"{api.url}/health"),
        httpx.get(f"{api.url}/health", headers=invalid),
        httpx.get(f"{api.url}/ready"),
        api.client.get("/health"),
        api.client.get("/models"),
    ]
    for answer in answers:
        assert answer.status_code in (200, 503)
        assert "version 3 cannot be loaded" in answer.text
        assert not [place for place in PLACES if place in answer.text], answer.url
    database = open_database(api.settings.database)
    set_scopes(database, "eve", ["admin"])
    database.dispose()

    def told() -> str:
        headers = {"Authorization": f"Bearer {api.token('eve')}"}
        return httpx.get(f"{api.url}/health", headers=headers).text

    assert eventually(lambda: all(place in told() for place in PLACES))
