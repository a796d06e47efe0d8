"""What the API refuses: always a problem document with a stable code, an id, and a row."""

import io
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from jose import jwt

from leafgate.errors import UserError
from leafgate.settings import Settings
from serving.app import create_app
from sql import open_database
from tests.colours import colour_picture
from tests.commands import environment, free_port, leafgate
from tests.databases import rename_table
from tests.integration.conftest import PASSWORD, RunningApi, StartApi, api_settings
from tests.integration.test_api_answers import eventually, png, stored

Refusal = Callable[[RunningApi], httpx.Response]


def huge_png(width: int = 10_000, height: int = 10_000) -> bytes:
    """A few bytes whose header announces 100 megapixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(b"\0" * 100))
    return b"\x89PNG\r\n\x1a\n" + header + pixels + chunk(b"IEND", b"")


def truncated_jpeg() -> bytes:
    buffer = io.BytesIO()
    colour_picture("red", 1, 200).save(buffer, "JPEG")
    return buffer.getvalue()[:900]


def upload(data: bytes, name: str = "leaf.jpg") -> Refusal:
    return lambda api: api.client.post("/predict", files={"file": (name, data)})


def ask(**params: str | int) -> Refusal:
    return lambda api: api.client.get("/generate", params=params)


def signed(secret: str = "s" * 40, algorithm: str = "HS256", **claims: object) -> Refusal:
    """A token of the usual claims but for `claims`; a time is given as minutes from now."""

    def send(api: RunningApi) -> httpx.Response:
        usual = {
            "sub": "ada",
            "scope": "predict",
            "iss": "leafgate",
            "aud": "leafgate-api",
            "iat": 0,
            "nbf": -1,
            "exp": 5,
            "jti": "1",
        }
        now = datetime.now(UTC)
        kept = {name: value for name, value in {**usual, **claims}.items() if value is not None}
        for name in ("iat", "nbf", "exp"):
            if isinstance(minutes := kept.get(name), int):
                kept[name] = now + timedelta(minutes=minutes)
        return bearer(jwt.encode(kept, secret, algorithm=algorithm))(api)

    return send


def bearer(token: str) -> Refusal:
    return lambda api: api.client.post("/predict", headers={"Authorization": f"Bearer {token}"})


HEADLESS = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZGEifQ."

REFUSALS: dict[str, tuple[Refusal, int, str]] = {
    "no token": (lambda api: httpx.post(f"{api.url}/predict"), 401, "token_missing"),
    "nonsense token": (bearer("nonsense"), 401, "token_invalid"),
    "huge token": (bearer("x" * 9000), 401, "token_invalid"),
    "alg none": (bearer(HEADLESS), 401, "token_invalid"),
    "another secret": (signed(secret="t" * 40), 401, "token_invalid"),
    "another algorithm": (signed(algorithm="HS512"), 401, "token_invalid"),
    "expired": (signed(exp=-1), 401, "token_expired"),
    "not yet valid": (signed(nbf=2), 401, "token_invalid"),
    "no expiry": (signed(exp=None), 401, "token_invalid"),
    "no subject": (signed(sub=None), 401, "token_invalid"),
    "wrong audience": (signed(aud="others"), 401, "token_invalid"),
    "no audience": (signed(aud=None), 401, "token_invalid"),
    "wrong issuer": (signed(iss="others"), 401, "token_invalid"),
    "scope missing": (signed(scope="feedback"), 403, "scope_missing"),
    "text renamed .jpg": (upload(b"these are words"), 415, "not_an_image"),
    "empty file": (upload(b""), 415, "not_an_image"),
    "truncated JPEG": (upload(truncated_jpeg()), 422, "unreadable_image"),
    "100 megapixels": (upload(huge_png(), "big.png"), 413, "image_too_large"),
    "too many bytes": (upload(b"x" * 300_000), 413, "body_too_large"),
    "no file": (lambda api: api.client.post("/predict"), 422, "invalid_request"),
    "n=0": (ask(n=0), 422, "out_of_range"),
    "n=100000": (ask(n=100_000), 422, "out_of_range"),
    "seed=-1": (ask(n=1, seed=-1), 422, "out_of_range"),
    "n is no number": (ask(n="many"), 422, "invalid_request"),
    "unknown format": (ask(n=1, format="gif"), 422, "invalid_request"),
    "class of an unconditional generator": (
        ask(n=1, **{"class": "rust"}),
        422,
        "class_not_supported",
    ),
    "no such path": (lambda api: api.client.get("/nothing"), 404, "not_found"),
    "wrong method": (lambda api: api.client.get("/predict"), 405, "method_not_allowed"),
}


@pytest.fixture
def small_api(served_var: Path, tmp_path: Path, start_api: StartApi) -> RunningApi:
    return start_api(api_settings(served_var, tmp_path, max_upload_bytes=200_000))


def test_every_refusal_is_a_problem_with_an_id_and_a_row(small_api: RunningApi) -> None:
    for name, (refusal, status, code) in REFUSALS.items():
        answer = refusal(small_api)
        told = answer.json()
        assert (answer.status_code, told["code"]) == (status, code), (name, told)
        assert answer.headers["content-type"] == "application/problem+json", name
        assert told["request_id"] == answer.headers["X-Request-ID"], name
        assert told["fix"], name
        row = stored(small_api, told["request_id"])
        assert (row["status"], row["error_code"]) == (status, code), name
        if status == 401:
            assert answer.headers["www-authenticate"] == "Bearer", name


def test_a_body_without_announced_length_is_stopped_as_it_comes(small_api: RunningApi) -> None:
    def endless() -> object:
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        for _ in range(100):
            yield b"x" * 10_000

    headers = {"content-type": "multipart/form-data; boundary=b"}
    answer = small_api.client.post("/predict", content=endless(), headers=headers)  # type: ignore[arg-type]
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


def test_a_wrong_password_and_an_unknown_user_get_the_same_answer(api: RunningApi) -> None:
    answers = [
        httpx.post(f"{api.url}/token", data={"username": name, "password": password})
        for name, password in (("ada", "wrong"), ("nobody", PASSWORD))
    ]
    told = [{k: v for k, v in a.json().items() if k != "request_id"} for a in answers]
    assert told[0] == told[1]
    assert [answer.status_code for answer in answers] == [401, 401]


def test_values_out_of_range_are_named_with_their_bounds(api: RunningApi) -> None:
    told = api.client.get("/generate", params={"n": 100_000}).json()
    assert "100000" in told["detail"]
    assert "1000" in told["fix"]


def test_a_subject_that_asks_too_often_is_told_when_to_come_back(
    served_var: Path, tmp_path: Path, start_api: StartApi
) -> None:
    api = start_api(api_settings(served_var, tmp_path, predict_limit="2/minute"))
    answers = [api.client.post("/predict", files={"file": ("a.png", png())}) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[0].headers["X-RateLimit-Remaining"] == "1"
    assert 0 < int(answers[2].headers["Retry-After"]) <= 60
    assert answers[2].json()["code"] == "too_many_requests"
    assert stored(api, answers[2].headers["X-Request-ID"])["status"] == 429
    assert api.client.get("/generate", params={"n": 1}).status_code == 200  # its own bucket


def test_a_flood_from_one_address_is_stopped_before_sign_in(
    served_var: Path, tmp_path: Path, start_api: StartApi
) -> None:
    api = start_api(api_settings(served_var, tmp_path, address_limit="5/minute"))
    statuses = [httpx.post(f"{api.url}/predict").status_code for _ in range(8)]
    assert statuses == [401] * 4 + [429] * 4  # signing in was the first of five
    assert httpx.get(f"{api.url}/health").status_code == 200


def test_a_failure_of_ours_is_a_row_and_tells_nothing_of_the_inside(api: RunningApi) -> None:
    database = open_database(api.settings.database)
    with database.begin() as connection:
        rename_table(connection, "users", "users_away")
    answer = httpx.post(f"{api.url}/token", data={"username": "ada", "password": "x"})
    assert answer.status_code == 500
    assert answer.json()["code"] == "internal_error"
    assert "users" not in answer.text.replace(answer.json()["request_id"], "")
    row = stored(api, answer.headers["X-Request-ID"])
    assert (row["status"], row["error_code"]) == (500, "internal_error")


def test_without_a_secret_or_with_a_short_one_the_api_refuses_to_start(tmp_path: Path) -> None:
    for secret, state in ((None, "not set"), ("short", "too short")):
        settings = Settings(_env_file=None, var_dir=tmp_path, jwt_secret=secret)
        with pytest.raises(UserError, match=state):
            create_app(settings)


def test_a_database_that_never_answered_ends_the_start_in_two_lines(tmp_path: Path) -> None:
    url = f"postgresql+psycopg://ada:hunter2@127.0.0.1:{free_port()}/leafgate"
    named = {"database_url": url, "jwt_secret": "s" * 40, "api_port": free_port()}
    done = leafgate("serve", env=environment(tmp_path, audit_key="a" * 64, **named))
    assert done.returncode == 2
    problem, remedy = done.stderr.strip().splitlines()[-2:]
    assert "cannot be reached" in problem
    assert "LEAFGATE_DATABASE_URL" in remedy
    assert "Traceback" not in done.stderr + done.stdout
    assert "hunter2" not in done.stderr + done.stdout


def test_the_api_imports_neither_tensorflow_nor_keras_nor_training() -> None:
    code = (
        "import sys, serving.app, serving.server; "
        "print([m for m in ('tensorflow', 'keras', 'training', 'mlflow') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_port_in_use_is_named_with_the_setting_that_moves_it(tmp_path: Path) -> None:
    import socket

    from serving.server import serve

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        settings = api_settings(tmp_path, tmp_path, api_port=port)
        with pytest.raises(UserError, match=str(port)) as raised:
            serve(settings)
    assert "LEAFGATE_API_PORT" in raised.value.fix


def test_shutting_down_stores_what_is_queued(
    served_var: Path, tmp_path: Path, start_api: StartApi
) -> None:
    api = start_api(api_settings(served_var, tmp_path))
    ids = [api.client.get("/nothing").headers["X-Request-ID"] for _ in range(30)]
    assert eventually(lambda: all(stored(api, request_id) for request_id in ids))
