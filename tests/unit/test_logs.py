"""The log says what happened, to machines and to people, and never a secret."""

import json
import logging
import sys

import pytest

from leafgate.settings import Settings
from serving.json_logs import (
    MASKED,
    REQUEST_ID,
    JsonLines,
    Mask,
    TextLines,
    secrets_of,
    set_up_logging,
)

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl"
SECRETS = {
    f"Authorization: Bearer {JWT}": JWT,
    "authorization: bearer abcdefghijklmnop": "abcdefghijklmnop",
    "Authorization: Basic YWRhOmh1bnRlcjI=": "YWRhOmh1bnRlcjI=",
    f"the token {JWT} has expired": JWT,
    "mssql+pyodbc://leaf:p%40ss@db/leafgate": "p%40ss",
    "postgresql://leaf:s3c@ret@db:5432/x": "s3c@ret",
    "redis://:hidden@cache:6379/0 is away": "hidden",
    "password=correct&username=ada": "correct",
    "PASSWORD: 'correct horse'": "correct horse",
    '{"password": "correct horse", "a": 1}': "correct horse",
    "LEAFGATE_JWT_SECRET=abcdef": "abcdef",
    "client_secret = xyzzy": "xyzzy",
    'json {"access_token":"opaque1234"}': "opaque1234",
}
HARMLESS = (
    "token_limit 10/minute; address http://127.0.0.1:8000",
    "leaf-classifier version 3 is live on openvino-int8",
    "GET http://host/path: 404, code token_missing",
    "sqlite:////srv/leafgate/var/leafgate.db",
    "Basic training has ended",
)


def record(message: str, *arguments: object, **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("serving", logging.INFO, __file__, 1, message, arguments, None)
    vars(made).update(extra)
    return made


@pytest.mark.parametrize(("line", "secret"), SECRETS.items())
@pytest.mark.parametrize("kind", [TextLines, JsonLines])
def test_a_secret_is_masked_in_message_argument_and_field(
    line: str, secret: str, kind: type[TextLines | JsonLines]
) -> None:
    for made in (record(line), record("got %s", line), record("got", about=line)):
        told = kind(Mask()).format(made)
        assert secret not in told
        if kind is JsonLines:
            assert MASKED in json.dumps(json.loads(told))


@pytest.mark.parametrize("line", HARMLESS)
def test_what_is_no_secret_is_told(line: str) -> None:
    assert Mask()(line) == line


def test_a_secret_in_a_traceback_is_masked() -> None:
    try:
        raise ValueError("cannot reach postgresql://leaf:swordfish@db/x")
    except ValueError:
        made = record("failed")
        made.exc_info = sys.exc_info()
    for kind in (TextLines, JsonLines):
        told = kind(Mask()).format(made)
        assert "ValueError" in told
        assert "swordfish" not in told


def test_the_secrets_of_the_settings_are_masked_wherever_they_stand(settings: Settings) -> None:
    known = settings.model_copy(update={"jwt_secret": None})
    assert not secrets_of(known)
    mask = Mask(secrets_of(settings))
    assert mask(f"x{'s' * 40}y") == f"x{MASKED}y"


def test_a_line_says_when_where_and_for_which_request() -> None:
    REQUEST_ID.set("0198")
    try:
        told = json.loads(JsonLines(Mask()).format(record("took %d ms", 3, workers=2)))
        text = TextLines(Mask()).format(record("took %d ms", 3))
    finally:
        REQUEST_ID.set(None)
    assert told["message"] == "took 3 ms"
    assert (told["level"], told["logger"], told["request_id"]) == ("INFO", "serving", "0198")
    assert told["workers"] == 2
    assert told["time"].endswith("+00:00")
    assert text.endswith("took 3 ms [0198]")
    assert "request_id" not in json.loads(JsonLines(Mask()).format(record("x")))


def test_the_form_follows_the_setting_and_else_the_terminal(
    settings: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = logging.getLogger().handlers[:], logging.getLogger().level
    try:
        for form, terminal, is_json in (
            ("json", True, True),
            ("text", False, False),
            ("auto", False, True),
            ("auto", True, False),
        ):
            monkeypatch.setattr(sys.stderr, "isatty", lambda terminal=terminal: terminal)
            set_up_logging(settings.model_copy(update={"log_format": form}))
            logging.getLogger("any").info("hello")
            assert capsys.readouterr().err.startswith("{") == is_json
    finally:
        logging.getLogger().handlers[:], level = before
        logging.getLogger().setLevel(level)
