"""Bodies: the token first, then no more than is needed, in time, and within the memory for all."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from leafgate.settings import Settings
from sql import open_database, set_scopes
from tests.integration.conftest import RunningApi, StartApi, api_settings, starting_apis
from tests.integration.test_api_answers import eventually, stored
from tests.raw_http import RawAnswer, raw_client

FORM = "multipart/form-data; boundary=b"
PART = '--b\r\nContent-Disposition: form-data; name="{}"; filename="a.png"\r\n\r\n{}\r\n'
FIELD = '--b\r\nContent-Disposition: form-data; name="{}"\r\n\r\n{}\r\n'
END = "--b--\r\n"
ANNOUNCED = 4_000  # bytes, of which none is sent


@pytest.fixture(scope="module")
def api(empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApi]:
    """An API without models: a request whose body was read is answered with 503."""
    folder = tmp_path_factory.mktemp("bodies")
    settings = api_settings(
        empty_store,
        folder,
        stall_timeout_seconds=0.5,
        upload_memory_mb=4,
        max_images=3,
        model_poll_seconds=60,
    )
    with starting_apis() as start:
        running = start(settings)
        database = open_database(settings.database)
        set_scopes(database, "ada", ["predict", "generate", "feedback", "admin"])
        database.dispose()
        eventually(lambda: "T" in sign_in_again(running))
        yield running


def sign_in_again(api: RunningApi) -> str:
    """Once the change of scopes, which revokes tokens, is known."""
    headers = {"Authorization": f"Bearer {api.token()}"}
    if httpx.get(f"{api.url}/models", headers=headers).status_code != 200:
        return ""
    api.client.headers.update(headers)
    return "T"


def port(api: RunningApi) -> int:
    return int(api.url.rpartition(":")[2])


def head(path: str, token: str = "", **headers: object) -> str:
    named: dict[str, object] = {"Content_Type": FORM, "Content_Length": ANNOUNCED, **headers}
    if token:
        named["Authorization"] = f"Bearer {token}"
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in named.items()]
    return "\r\n".join([f"POST {path} HTTP/1.1", "Host: a", *lines, "", ""])


def asked(api: RunningApi, request: str) -> RawAnswer:
    """What is answered while no byte of the body was sent, nor asked for."""
    with raw_client(port(api)) as client:
        client.send(request)
        answer = client.answer()
        if answer.headers.get("connection") == "close":
            assert client.ends()
        return answer


def operations(api: RunningApi, secured: bool = True) -> list[str]:
    """Paths that take a POST with a token, or without one."""
    paths = api.app.openapi()["paths"]
    return [
        path.format(name="leaf-classifier")
        for path, methods in paths.items()
        if "post" in methods and ("security" in methods["post"]) == secured
    ]


def test_without_a_good_token_no_body_is_read_on_any_path(api: RunningApi) -> None:
    paths = operations(api)
    assert {"/predict", "/predict/batch", "/feedback", "/models/leaf-classifier/hold"} <= set(paths)
    revoked = api.token()
    api.client.post("/token/revoke", headers={"Authorization": f"Bearer {revoked}"})
    wanted = {"": "token_missing", "nonsense": "token_invalid", revoked: "token_revoked"}
    for path in paths:
        for token, code in wanted.items():
            answer = asked(api, head(path, token, Expect="100-continue"))
            assert (answer.status, answer.json()["code"]) == (401, code), path
            assert answer.headers["connection"] == "close"
            assert answer.headers["www-authenticate"] == "bearer"
            row = stored(api, answer.headers["x-request-id"])
            assert (row["status"], row["error_code"]) == (401, code)


def test_without_the_scope_no_body_is_read(api: RunningApi) -> None:
    token, open_to_all = api.token("eve"), {"/token/revoke", "/feedback"}
    for path in set(operations(api)) - open_to_all:
        answer = asked(api, head(path, token))
        assert (answer.status, answer.json()["code"]) == (403, "scope_missing"), path
        assert stored(api, answer.headers["x-request-id"])["user_name"] == "eve"


def test_only_signing_in_takes_a_body_without_a_token(api: RunningApi) -> None:
    assert operations(api, secured=False) == ["/token"]
    answer = asked(api, head("/token", Content_Length=20_000))
    assert (answer.status, answer.json()["code"]) == (413, "body_too_large")


def test_a_path_or_method_that_does_not_exist_reads_no_body(api: RunningApi) -> None:
    assert asked(api, head("/nothing")).status == 404
    assert asked(api, head("/ready")).status == 405
    assert asked(api, head("/predict", api.token()).replace("POST", "PUT")).status == 405


def test_a_token_behind_the_body_counts_for_nothing(api: RunningApi) -> None:
    request = head("/models/reload").replace("Content-Length: 4000", "Transfer-Encoding: chunked")
    with raw_client(port(api)) as client:
        client.send(f"{request}0\r\nAuthorization: Bearer {api.token()}\r\n\r\n")
        assert client.answer().status == 401


@pytest.mark.parametrize(("path", "piece"), [("/predict", ""), ("/predict", "x"), ("/token", "x")])
def test_a_body_that_stalls_or_trickles_is_refused(path: str, piece: str, api: RunningApi) -> None:
    with raw_client(port(api)) as client:
        client.send(head(path, api.token(), Content_Length=ANNOUNCED) + FIELD.format("a", "")[:-2])
        client.socket.settimeout(0.05)
        for _ in range(200):
            try:
                client.send(piece)
                answer = client.answer()
                break
            except TimeoutError:
                continue
        assert (answer.status, answer.json()["code"]) == (408, "request_timeout")
        row = stored(api, answer.headers["x-request-id"])
        assert (row["status"], row["error_code"]) == (408, "request_timeout")


def send(api: RunningApi, path: str, body: str, kind: str = FORM) -> tuple[int, str]:
    answer = api.client.post(path, content=body.encode(), headers={"Content-Type": kind})
    return answer.status_code, str(answer.json()["code"])


URLENCODED = "application/x-www-form-urlencoded"
IMAGE = PART.format("file", "x")
HEADERS = "".join(f"X-{number}: a\r\n" for number in range(20))
FORMS: dict[str, tuple[str, str, str, int, str]] = {
    "two files": ("/predict", IMAGE * 2, FORM, 422, "too_many_parts"),
    "two files for a map": ("/explain", IMAGE * 2, FORM, 422, "too_many_parts"),
    "a thousand tiny parts": ("/predict", FIELD.format("a", "") * 500, FORM, 422, "too_many_parts"),
    "four images of three": (
        "/predict/batch",
        PART.format("files", "x") * 4,
        FORM,
        422,
        "too_many_images",
    ),
    "a file to sign in": ("/token", IMAGE, FORM, 422, "too_many_parts"),
    "many fields to sign in": ("/token", "a=b&" * 500, URLENCODED, 422, "too_many_parts"),
    "a long part": ("/predict", FIELD.format("a", "b" * 9000), FORM, 400, "malformed_body"),
    "much before the form": ("/predict", "\r\n" * 15_000 + IMAGE, FORM, 400, "malformed_body"),
    "much behind the form": (
        "/predict",
        IMAGE + END + "x" * 30_000,
        FORM,
        400,
        "malformed_body",
    ),
    "blanks behind a boundary": (
        "/predict",
        IMAGE + "--b" + " " * 50_000 + "\r\n",
        FORM,
        400,
        "malformed_body",
    ),
    "boundaries within a file": (
        "/predict",
        PART.format("file", "\r\n--bX" * 5_000),
        FORM,
        422,
        "too_many_parts",
    ),
    "a long name": ("/predict", FIELD.format("a" * 9000, ""), FORM, 400, "malformed_body"),
    "many lines for a part": ("/predict", f"--b\r\n{HEADERS}\r\n", FORM, 400, "malformed_body"),
}


@pytest.mark.parametrize("name", FORMS)
def test_a_form_has_no_more_parts_than_its_endpoint_needs(name: str, api: RunningApi) -> None:
    path, body, kind, status, code = FORMS[name]
    assert send(api, path, body + (END if kind == FORM else ""), kind) == (status, code)


def test_a_content_type_that_is_costly_to_read_is_refused(api: RunningApi) -> None:
    for path in ("/token", "/predict", "/feedback"):
        kind = "multipart/form-data" + ';"' * 5000
        assert send(api, path, "x", kind) == (400, "bad_request")


def test_what_clients_usually_send_still_passes(api: RunningApi) -> None:
    extra = FIELD.format("comment", "from the phone")
    assert send(api, "/predict", extra + IMAGE + END) == (503, "no_production_model")
    three = PART.format("files", "x") * 3 + END
    assert api.client.post(
        "/predict/batch", content=three, headers={"Content-Type": FORM}
    ).status_code in (200, 503)
    form = {"username": "ada", "password": "wrong", "grant_type": "password", "scope": ""}
    for sent in ({"data": form}, {"files": {k: (None, v) for k, v in form.items()}}):
        assert httpx.post(f"{api.url}/token", **sent).status_code in (401, 429)  # type: ignore[arg-type]


def memory_of(api: RunningApi) -> Any:
    from serving.body_limit import BodyLimit

    found: Any = api.app.middleware_stack
    while not isinstance(found, BodyLimit):
        found = found.app
    return found.memory


def test_bodies_under_way_share_a_bounded_memory(api: RunningApi) -> None:
    memory, body = memory_of(api), PART.format("file", "x" * 1_500_000) + END
    memory.take("user ada", 1_000_000)  # of another upload
    answer = api.client.post("/predict", content=body.encode(), headers={"Content-Type": FORM})
    assert (answer.status_code, answer.json()["code"]) == (503, "uploads_full")
    assert int(answer.headers["Retry-After"]) > 0
    assert stored(api, answer.headers["X-Request-ID"])["error_code"] == "uploads_full"
    assert eventually(lambda: memory.bytes == 1_000_000)
    memory.give_back("user ada", 1_000_000)
    assert send(api, "/predict", body)[1] == "no_production_model"
    with raw_client(port(api)) as leaves:
        leaves.send(head("/predict", api.token(), Content_Length=3_000_000) + body[:90_000])
        assert eventually(lambda: memory.bytes > 0)
    assert eventually(lambda: memory.bytes == 0 and not memory._of_one)


def test_no_upload_needs_the_temporary_folder(
    api: RunningApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/dev/null/no-such-folder")
    body = PART.format("file", "x" * 1_900_000) + END
    assert send(api, "/predict", body)[1] == "no_production_model"


def test_who_has_used_up_the_budget_is_refused_before_the_body(
    settings: Settings, tmp_path: Path, start_api: StartApi
) -> None:
    api = start_api(api_settings(settings.var_dir, tmp_path, predict_limit="1/hour"))
    assert send(api, "/predict", IMAGE + END) == (503, "no_production_model")
    assert send(api, "/predict", IMAGE + END) == (429, "too_many_requests")
    answer = asked(api, head("/predict", api.token(), Content_Length=100_000))
    assert (answer.status, answer.json()["code"]) == (429, "too_many_requests")
    assert 3500 < int(answer.headers["retry-after"]) <= 3600
    assert answer.headers["x-ratelimit-remaining"] == "0"
