"""Requests that are nearly right: the answer says what to do, and is the same for every size."""

import gzip
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from sql import open_database, set_scopes
from tests.integration.conftest import RunningApi, api_settings, starting_apis
from tests.integration.test_api_answers import eventually
from tests.raw_http import raw_client

HUGE = 40_000_000  # bytes, announced and not sent
FORM = "multipart/form-data; boundary=b"
IMAGE = (
    b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\nx\r\n--b--\r\n'
)
FIELD_PATH = re.compile(r"\b(body|query|path)\.|Field required|Input should|Value error", re.I)


@pytest.fixture(scope="module")
def api(empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApi]:
    """An API without models: an image that is read is answered with 503. `ada` may do anything."""
    folder = tmp_path_factory.mktemp("kinds")
    settings = api_settings(
        empty_store, folder, model_poll_seconds=60, revocation_poll_seconds=0.1, max_images=3
    )
    with starting_apis() as start:
        running = start(settings)
        database = open_database(settings.database)
        set_scopes(database, "ada", ["predict", "generate", "feedback", "admin"])
        database.dispose()

        def signed_in() -> bool:
            running.client.headers["Authorization"] = f"Bearer {running.token()}"
            return running.client.get("/models").status_code == 200

        assert eventually(signed_in)
        yield running


def announced(api: RunningApi, method: str, path: str, size: int, host: str = "a") -> Any:
    """What is answered before anything of a body of that size is sent."""
    token = api.client.headers["Authorization"]
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", f"Authorization: {token}"]
    lines += [f"Content-Type: {FORM}", f"Content-Length: {size}", "Expect: 100-continue", "", ""]
    with raw_client(int(api.url.rpartition(":")[2])) as client:
        client.send("\r\n".join(lines))
        return client.answer()


@pytest.mark.parametrize("size", [10, 100_000, HUGE])
@pytest.mark.parametrize(
    ("method", "path", "elsewhere"),
    [
        ("POST", "/predict/", "/predict"),
        ("POST", "/predict/batch//", "/predict/batch"),
        ("POST", "/token/", "/token"),
        ("POST", "/feedback/?a=b", "/feedback?a=b"),
        ("GET", "/health/", "/health"),
        ("GET", "/models/leaf%2Fx/versions/?limit=1", "/models/leaf%2Fx/versions?limit=1"),
        ("GET", "/docs/", "/docs"),
    ],
)
def test_a_slash_at_the_end_leads_to_the_path_without_it(
    api: RunningApi, method: str, path: str, elsewhere: str, size: int
) -> None:
    answer = announced(api, method, path, size, host="evil.example")
    if "%2F" in path:  # a name with a slash is none
        assert answer.status == 404
    else:
        assert (answer.status, answer.headers["location"]) == (307, elsewhere)


@pytest.mark.parametrize("size", [10, 100_000, HUGE])
def test_what_there_is_not_is_told_whatever_the_size(api: RunningApi, size: int) -> None:
    for path in ("/nothing", "/nothing/", "//evil.example/", "//predict/", "/predict/x/", "/"):
        assert announced(api, "POST", path, size).status == 404, path
    for path in ("/health%2F", "/health/%2F", "/predict%2f%2F", "/health%2F/"):  # no circle
        assert announced(api, "GET", path, size).status == 404, path
    for method, path in (("PUT", "/predict"), ("POST", "/health"), ("DELETE", "/feedback")):
        answer = announced(api, method, path, size)
        assert (answer.status, answer.json()["code"]) == (405, "method_not_allowed")
    assert announced(api, "POST", "/predict", HUGE).status == 413


def test_a_client_that_follows_keeps_its_body(api: RunningApi) -> None:
    headers = {"Content-Type": FORM}
    for path in ("/predict", "/predict/"):
        answer = api.client.post(path, content=IMAGE, headers=headers, follow_redirects=True)
        assert (answer.status_code, answer.json()["code"]) == (503, "no_production_model")


def test_head_answers_as_get_does_without_a_body(api: RunningApi) -> None:
    paths = ["/health", "/ready", "/ready?without_model=true", "/models", "/docs", "/openapi.json"]
    for path in [*paths, "/metrics", "/health/", "/nothing", "/models/nothing/versions"]:
        get, head = api.client.get(path), api.client.head(path)
        assert (head.status_code, head.content) == (get.status_code, b""), path
        assert head.headers.get("content-type") == get.headers.get("content-type")
    assert api.client.head("/ready").status_code == 503
    assert api.client.head("/ready?without_model=true").status_code == 200
    assert httpx.head(f"{api.url}/models").status_code == 401
    for path in ("/predict", "/token", "/generate"):
        refused = api.client.head(path)
        assert refused.status_code == 405, path
        assert "HEAD" not in refused.headers["Allow"]
    assert "HEAD" in api.client.post("/health").headers["Allow"]
    token = api.client.headers["Authorization"]
    with raw_client(int(api.url.rpartition(":")[2])) as client:  # the connection stays in step
        rest = f"Host: a\r\nAuthorization: {token}\r\n\r\n"
        client.send(f"HEAD /health HTTP/1.1\r\n{rest}GET /nothing HTTP/1.1\r\n{rest}")
        data = b""
        while b"there is no /nothing" not in data:
            data += client.socket.recv(65536)
    assert data.count(b"HTTP/1.1 ") == 2
    assert b'"status"' not in data.partition(b"HTTP/1.1 404")[0]


@pytest.mark.parametrize("path", ["/predict", "/predict/batch", "/explain", "/feedback", "/token"])
@pytest.mark.parametrize("coding", ["gzip", "br", "deflate", "gzip, identity", "x" * 300])
def test_a_compressed_body_is_refused_with_its_encoding_and_the_remedy(
    api: RunningApi, path: str, coding: str
) -> None:
    headers = {"Content-Type": FORM, "Content-Encoding": coding}
    answer = api.client.post(path, content=gzip.compress(IMAGE), headers=headers)
    told = answer.json()
    assert (answer.status_code, told["code"]) == (415, "unsupported_encoding")
    assert coding[:20] in told["detail"]
    assert "without the header Content-Encoding" in told["fix"]
    assert answer.headers["Accept-Encoding"] == "identity"


def test_a_body_that_is_not_compressed_may_say_so(api: RunningApi) -> None:
    for coding in ("identity", "Identity", ""):
        headers = {"Content-Type": FORM, "Content-Encoding": coding}
        answer = api.client.post("/predict", content=IMAGE, headers=headers)
        assert answer.json()["code"] == "no_production_model"


@pytest.mark.parametrize(
    ("path", "kind", "words"),
    [
        ("/predict", "image/jpeg", "curl -F file=@leaf.jpg"),
        ("/predict", "application/json", "curl -F file=@leaf.jpg"),
        ("/predict", "application/x-www-form-urlencoded", "curl -F file=@leaf.jpg"),
        ("/predict", "", "curl -F file=@leaf.jpg"),
        ("/predict", "nonsense", "curl -F file=@leaf.jpg"),
        ("/predict/batch", "application/octet-stream", "curl -F files=@leaf.jpg"),
        ("/token", "application/json", "send a form"),
        ("/token", "text/plain", "send a form"),
        ("/token/revoke", "application/json", "send a form"),
        ("/feedback", "application/x-www-form-urlencoded", "application/json"),
        ("/feedback", "text/json", "application/json"),
        ("/generate", "", "application/json"),
        ("/models/leaf-classifier/hold", FORM, "application/json"),
    ],
)
def test_a_body_of_another_type_is_refused_with_the_right_one(
    api: RunningApi, path: str, kind: str, words: str
) -> None:
    headers = {"Content-Type": kind} if kind else {}
    answer = api.client.post(path, content=b'{"a": 1}', headers=headers)
    told = answer.json()
    assert (answer.status_code, told["code"]) == (415, "unsupported_media_type")
    assert (kind.partition(";")[0] or "no Content-Type") in told["detail"]
    assert words in told["fix"]


def part(name: str, more: str = '; filename="a.png"') -> bytes:
    return f'--b\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\nx\r\n'.encode()


JSON, WORDS = {"Content-Type": "application/json"}, {"Content-Type": FORM}
ID = "01989f6e-7d3a-7c55-b1a0-2f3c4d5e6f70"
INVALID: dict[str, tuple[str, dict[str, Any], str]] = {
    "no password": ("/token", {"data": {"username": "ada", "password": ""}}, "enter a password"),
    "no name": ("/token", {"data": {"password": "x"}}, "enter a user name"),
    "neither": ("/token", {}, "enter a user name; enter a password"),
    "another grant": (
        "/token",
        {"data": {"username": "a", "password": "secret", "grant_type": "implicit"}},
        "the grant type does not have the right form",
    ),
    "no part": ("/predict", {"content": b"--b--\r\n", "headers": WORDS}, "no image was sent"),
    "nothing": ("/predict", {}, "no image was sent"),
    "another field": (
        "/predict",
        {"content": part("image") + b"--b--\r\n", "headers": WORDS},
        "no image was sent as `file`: the form has `image`",
    ),
    "text for a file": (
        "/predict",
        {"content": part("file", "") + b"--b--\r\n", "headers": WORDS},
        "`file` is text, not a file",
    ),
    "no images": ("/predict/batch", {}, "no images were sent"),
    "tta": ("/predict?tta=perhaps", {"files": {"file": b"x"}}, "`tta` must be true or false"),
    "no class": ("/feedback", {"json": {"request_id": ID}}, "no class was named"),
    "no object": ("/feedback", {"content": b"[]", "headers": JSON}, "must be a JSON object"),
    "null": ("/feedback", {"content": b"null", "headers": JSON}, "JSON"),
    "broken": (
        "/feedback",
        {"content": b'{"a": ', "headers": JSON},
        "not valid JSON (character 6)",
    ),
    "no id": (
        "/feedback",
        {"json": {"request_id": "7", "class": "rust"}},
        "the request id cannot be used (not the id of a request",
    ),
    "long": (
        "/feedback",
        {"json": {"request_id": ID, "class": "x" * 500}},
        "the class must have at most 200 characters",
    ),
    "words": ("/generate", {"json": {"n": "ten"}}, "(n) must be a whole number, not 'ten'"),
    "float": ("/generate", {"json": {"n": 1.5}}, "(n) must be a whole number, not 1.5"),
    "readings": ("/generate", {"json": {"readings": "yes"}}, "`readings` must be true or false"),
    "format": ("/generate", {"json": {"format": "gif"}}, "the format must be 'json', 'png' or"),
    "id of a token": ("/token/revoke", {"data": {"jti": "x" * 256}}, "must have at most 255"),
}


@pytest.mark.parametrize("name", INVALID)
def test_what_is_wrong_is_said_in_a_sentence(api: RunningApi, name: str) -> None:
    path, sent, words = INVALID[name]
    answer = api.client.post(path, **sent)
    told = answer.json()
    assert (answer.status_code, told["code"]) == (422, "invalid_request")
    assert words in told["detail"]
    assert not FIELD_PATH.search(told["detail"] + told["fix"])
    assert "secret" not in answer.text
    assert all(set(each) == {"field", "message"} for each in told["errors"])
    assert told["errors"]


def test_a_value_of_a_query_is_named_without_its_path(api: RunningApi) -> None:
    for path, words in {
        "/generate?n=x": "the number of images (n) must be a whole number, not 'x'",
        "/models/leaf-classifier/versions?limit=0": "the limit must be at least 1, not '0'",
        "/models/leaf-classifier/versions/x": "the version must be a whole number, not 'x'",
    }.items():
        told = api.client.get(path).json()
        assert told["code"] == "invalid_request"
        assert words in told["detail"]
        assert told["errors"][0]["field"].partition(".")[0] in ("query", "path")


def test_json_that_is_not_utf_8_is_refused_in_words(api: RunningApi) -> None:
    for body in (b'{"class": "\xff"}', b"[" * 60_000):
        answer = api.client.post("/feedback", content=body, headers=JSON)
        assert (answer.status_code, answer.json()["code"]) in (
            (400, "malformed_body"),
            (422, "invalid_request"),
        )
        assert "JSON" in answer.json()["detail"]
