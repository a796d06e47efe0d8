"""The log says what happened, to machines and to people, and never a secret."""

import json
import logging
import random
import struct
import sys
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from leafgate.errors import ImageError
from leafgate.images import decode
from leafgate.settings import Settings
from serving.json_logs import (
    MASKED,
    REQUEST_ID,
    JsonLines,
    Mask,
    TextLines,
    secrets_of,
    set_up_logging,
    silence_libtiff,
)
from serving.repeated_lines import MAX_CAUSES, OneLineACause

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


class Lines(logging.Handler):
    """Keeps what it is given."""

    def __init__(self, seconds: float = 60.0) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []
        self.causes = OneLineACause(self, seconds)
        self.addFilter(self.causes)

    def emit(self, made: logging.LogRecord) -> None:
        self.records.append(made)

    def texts(self) -> list[str]:
        return [made.getMessage() for made in self.records]


@pytest.fixture
def lines() -> Iterator[Lines]:
    handler, root = Lines(), logging.getLogger()
    root.addHandler(handler)
    yield handler
    root.removeHandler(handler)


def fail(message: str) -> None:
    try:
        raise RuntimeError(message)
    except RuntimeError:
        logging.getLogger("serving").exception("a request failed")


def test_the_same_failure_a_thousand_times_is_one_line_with_its_stack_and_a_count(
    lines: Lines,
) -> None:
    for number in range(1000):
        fail(f"of request {number}")
    (first,) = lines.records
    assert first.exc_info is not None
    lines.causes.report_all()
    assert lines.texts()[1:] == ["a request failed (repeated 999 times within 60 s)"]
    assert lines.records[1].repeated == 999  # type: ignore[attr-defined]
    assert lines.records[1].exc_info is None


def test_each_cause_has_its_own_line(lines: Lines) -> None:
    serving = logging.getLogger("serving")
    for number in range(3):
        fail("a")
        serving.error("outbox: %s cannot be written (%s)", "0.db", OSError(f"{number}"))
        serving.error("outbox: %s cannot be written (%s)", "1.db", OSError(f"{number}"))
        serving.error("outbox: %s cannot be written (%s)", "1.db", ValueError(number))
        serving.warning("worker %d died", number)
    assert len(lines.records) == 5


def test_causes_without_end_are_a_few_lines(lines: Lines) -> None:
    for number in range(1000):
        logging.getLogger("other").error(f"never the same: {number}")
    assert len(lines.records) == MAX_CAUSES + 1


def test_a_cause_that_goes_on_is_told_again_and_again_and_one_that_ends_is_forgotten() -> None:
    handler = Lines(seconds=0.05)
    made = record("the disk is full")
    made.levelno = logging.ERROR
    deadline = time.monotonic() + 10
    while len(handler.records) < 4 and time.monotonic() < deadline:
        handler.handle(made)
        time.sleep(0.001)
    texts = handler.texts()
    assert texts[0] == "the disk is full"
    assert all("repeated" in text for text in texts[1:])
    while handler.causes._known and time.monotonic() < deadline:
        time.sleep(0.01)
    handler.handle(made)
    assert handler.texts()[-1] == "the disk is full"


def damaged_fax(rows: int = 400) -> bytes:
    """A TIFF in group 4 whose pixels are noise: libtiff has a line to say of each row."""
    pixels = random.Random(1).randbytes(40 * rows)
    tags = [(256, 300), (257, rows), (258, 1), (259, 4), (262, 0), (273, 8), (277, 1)]
    tags += [(278, rows), (279, len(pixels))]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    place = struct.pack("<I", 8 + len(pixels))
    return b"II*\0" + place + pixels + struct.pack("<H", len(tags)) + entries + bytes(4)


def test_a_damaged_file_writes_nothing_to_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    silence_libtiff()
    with suppress(ImageError):
        decode(damaged_fax())
    assert capfd.readouterr().err == ""
