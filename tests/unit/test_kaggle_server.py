"""Kaggle's own package against a small server in Kaggle's place: tokens, refusals, archives."""

import io
import json
import os
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from leafgate.errors import UserError
from tests.colours import colour_picture
from tests.recording_proxy import recording_proxy, set_proxies
from training.data.kaggle_source import download_dataset
from training.data.kaggle_token import check_credentials

SECRET = "KGAT_0123456789abcdef"
Layout = Callable[[Path], dict[str, str]]


@dataclass
class Kaggle:
    """What the server answers to a download, and what it was sent."""

    status: int = 200
    body: bytes = b""
    reason: str = ""
    is_token_good: bool = True
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, Any], str]] = field(default_factory=list)


@pytest.fixture
def kaggle(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Kaggle]:
    """Kaggle, with a home folder of its own and no token yet."""
    state = Kaggle()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"{}")
            state.asked.append((self.path, sent, self.headers.get("Authorization", "")))
            if self.path.endswith("/IntrospectToken"):
                told = {"active": state.is_token_good, "username": "ada"}
                self._send(200, json.dumps(told).encode(), "application/json")
            elif state.status != 200:
                told = {"code": state.status, "message": state.reason}
                self._send(state.status, json.dumps(told).encode(), "application/json")
            else:
                self._send(200, state.body, "application/zip")

        def _send(self, status: int, body: bytes, kind: str) -> None:
            self.send_response(status)
            given = {"Content-Type": kind, "Content-Length": str(len(body)), **state.headers}
            for name, value in given.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    from kagglesdk import kaggle_env

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    place = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setitem(kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.PROD, place)
    for name in [each for each in os.environ if each.startswith(("KAGGLE_", "XDG_CONFIG"))]:
        monkeypatch.delenv(name)
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    _import_anew(monkeypatch)
    yield state
    server.shutdown()
    server.server_close()


def _import_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kaggle's package reads where its files are as it is imported."""
    for name in [each for each in sys.modules if each.split(".")[0] == "kaggle"]:
        monkeypatch.delitem(sys.modules, name)


@pytest.fixture
def signed_in(kaggle: Kaggle, monkeypatch: pytest.MonkeyPatch) -> Kaggle:
    monkeypatch.setenv("KAGGLE_API_TOKEN", SECRET)
    return kaggle


def packed(*names: str, content: bytes | None = None) -> bytes:
    """An archive with a small picture by each name."""
    picture = io.BytesIO()
    colour_picture("red", 1).save(picture, "PNG")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as opened:
        for name in names:
            opened.writestr(name, picture.getvalue() if content is None else content)
    return buffer.getvalue()


def written(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    file.chmod(0o600)
    return file


KEY = json.dumps({"username": "ada", "key": SECRET})
OAUTH = json.dumps(
    {
        "refresh_token": "r" * 20,
        "access_token": SECRET,
        "access_token_expiration": "2099-01-01T00:00:00+00:00",
        "username": "ada",
    }
)


def _files(**contents: str) -> Layout:
    """Files below the home folder, named with __ for / and _dot_ for a dot."""

    def make(home: Path) -> dict[str, str]:
        for name, text in contents.items():
            written(home / name.replace("__", "/").replace("_dot_", "."), text)
        return {}

    return make


def _with(variables: Callable[[Path], dict[str, str]], *layouts: Layout) -> Layout:
    def make(home: Path) -> dict[str, str]:
        for layout in layouts:
            layout(home)
        return variables(home)

    return make


ACCEPTED: dict[str, Layout] = {
    "KAGGLE_API_TOKEN": lambda _: {"KAGGLE_API_TOKEN": SECRET},
    "a file that it names": lambda home: {
        "KAGGLE_API_TOKEN": str(written(home / "elsewhere" / "token", SECRET))
    },
    "access_token": _files(_dot_kaggle__access_token=SECRET),
    "access_token.txt": _files(_dot_kaggle__access_token_dot_txt=SECRET),
    "user name and key": lambda _: {"KAGGLE_USERNAME": "ada", "KAGGLE_KEY": SECRET},
    "~/.kaggle": _files(_dot_kaggle__kaggle_dot_json=KEY),
    "~/.config/kaggle": _files(_dot_config__kaggle__kaggle_dot_json=KEY),
    "XDG_CONFIG_HOME": _with(
        lambda home: {"XDG_CONFIG_HOME": str(home / "xdg")},
        _files(xdg__kaggle__kaggle_dot_json=KEY),
    ),
    "KAGGLE_CONFIG_DIR": _with(
        lambda home: {"KAGGLE_CONFIG_DIR": str(home / "own")}, _files(own__kaggle_dot_json=KEY)
    ),
    "the key of a file, a name of the environment": _with(
        lambda _: {"KAGGLE_USERNAME": "ada"},
        _files(_dot_kaggle__kaggle_dot_json=json.dumps({"key": SECRET})),
    ),
    "OAuth": _files(_dot_kaggle__credentials_dot_json=OAUTH),
    "an empty access_token, then a key": _files(
        _dot_kaggle__access_token="\n", _dot_kaggle__kaggle_dot_json=KEY
    ),
}
REFUSED: dict[str, Layout] = {
    "nothing": lambda _: {},
    "an empty variable": lambda _: {"KAGGLE_API_TOKEN": ""},
    "an empty file that it names": lambda home: {
        "KAGGLE_API_TOKEN": str(written(home / "token", "\n"))
    },
    "a name alone": lambda _: {"KAGGLE_USERNAME": "ada"},
    "a key alone": lambda _: {"KAGGLE_KEY": SECRET},
    "an empty access_token": _files(_dot_kaggle__access_token=" \n"),
    "a damaged kaggle.json": _files(_dot_kaggle__kaggle_dot_json=KEY[:-3]),
    "another kaggle.json": _files(_dot_kaggle__kaggle_dot_json="[]"),
    "an OAuth file without a token": _files(_dot_kaggle__credentials_dot_json="{}"),
    "an access_token in ~/.config/kaggle": _files(_dot_config__kaggle__access_token=SECRET),
    "an OAuth file in ~/.config/kaggle": _files(_dot_config__kaggle__credentials_dot_json=OAUTH),
    "~/.config/kaggle beside ~/.kaggle": _files(
        _dot_config__kaggle__kaggle_dot_json=KEY, _dot_kaggle__other="x"
    ),
    "KAGGLE_CONFIG_DIR elsewhere": _with(
        lambda home: {"KAGGLE_CONFIG_DIR": str(home / "own")},
        _files(_dot_kaggle__kaggle_dot_json=KEY),
    ),
}


@pytest.mark.parametrize("name", [*ACCEPTED, *REFUSED])
def test_a_token_is_taken_where_kaggles_package_takes_it(
    name: str, kaggle: Kaggle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    layout = ACCEPTED.get(name) or REFUSED[name]
    for variable, value in layout(home).items():
        monkeypatch.setenv(variable, value)
    kaggle.body = packed("a/rust/1.png")
    if name in ACCEPTED:
        assert download_dataset(tmp_path / "out", "ada/leaves") == tmp_path / "out" / "a"
        assert SECRET in kaggle.asked[-1][2] or kaggle.asked[-1][2].startswith("Basic ")
        return
    with pytest.raises(UserError) as raised:
        download_dataset(tmp_path / "out", "ada/leaves")
    assert raised.value.code == "no_credentials"
    assert kaggle.asked == []
    _import_anew(monkeypatch)
    with pytest.raises((SystemExit, TypeError)):  # a list in kaggle.json it does not expect
        from kaggle.api.kaggle_api_extended import KaggleApi

        KaggleApi().authenticate()


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("an access_token in ~/.config/kaggle", "mv {home}/.config/kaggle/access_token {home}/"),
        ("KAGGLE_CONFIG_DIR elsewhere", "mv {home}/.kaggle/kaggle.json {home}/own/kaggle.json"),
        ("nothing", "kaggle.com/settings"),
    ],
)
def test_a_token_in_the_wrong_place_is_told_where_it_belongs(
    name: str, told: str, tmp_path: Path
) -> None:
    variables = REFUSED[name](tmp_path)
    with pytest.raises(UserError) as raised:
        check_credentials(variables, tmp_path)
    assert told.format(home=tmp_path) in raised.value.fix


@pytest.mark.parametrize("file", ["access_token", "credentials.json", "kaggle.json"])
def test_a_file_that_others_can_read_is_refused(file: str, tmp_path: Path) -> None:
    text = {"access_token": SECRET, "credentials.json": OAUTH, "kaggle.json": KEY}[file]
    written(tmp_path / ".kaggle" / file, text).chmod(0o640)
    with pytest.raises(UserError, match="0640"):
        check_credentials({}, tmp_path)


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (401, "does not accept the token"),
        (403, "403: You must accept the rules"),
        (404, "there is no such data set"),
        (429, "429: You must accept"),
        (500, "500: You must accept"),
    ],
)
def test_a_refusal_is_told_in_two_lines_without_a_secret(
    status: int, told: str, signed_in: Kaggle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    signed_in.status = status
    signed_in.reason = f"You must accept the rules\nfor {SECRET} at https://x/y?X-Signature=abc"
    with pytest.raises(UserError) as raised:
        download_dataset(tmp_path / "out", "ada/leaves")
    words = f"{raised.value.problem}\n{raised.value.fix}"
    assert told in words
    assert words.count("\n") == 1
    said = words + "".join(capsys.readouterr())
    assert SECRET not in said
    assert "X-Signature" not in said
    if status == 403:
        assert "https://www.kaggle.com/datasets/ada/leaves" in words
    assert sorted(each.name for each in tmp_path.iterdir()) == ["home"]


def test_a_token_that_kaggle_does_not_know_is_told_without_its_manual(
    signed_in: Kaggle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    signed_in.is_token_good = False
    with pytest.raises(UserError, match="does not accept the token"):
        download_dataset(tmp_path / "out", "ada/leaves")
    assert capsys.readouterr().out == ""


def _encrypted(archive: bytes) -> bytes:
    """The same, with the mark of a password at each of its members."""
    marked = bytearray(archive)
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = marked.find(signature)
        while at >= 0:
            marked[at + flags] |= 1
            at = marked.find(signature, at + 1)
    return bytes(marked)


def _other_method(archive: bytes) -> bytes:
    marked = bytearray(archive)
    for signature, method in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        marked[marked.find(signature) + method] = 99
    return bytes(marked)


GOOD = packed("a/rust/1.png", content=bytes(range(256)) * 40)
BAD: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "damaged"),
    "a page": (b"<html>Sign in</html>", "damaged"),
    "truncated": (GOOD[: len(GOOD) // 2], "damaged"),
    "a broken stream": (GOOD[:60] + b"\xff" * 40 + GOOD[100:], "damaged"),
    "encrypted": (_encrypted(packed("a/rust/1.png")), "is encrypted"),
    "an unknown method": (_other_method(packed("a/rust/1.png")), "cannot read"),
    "without images": (packed("table.csv"), "no images"),
    "the Finder's notes alone": (packed("__MACOSX/rust/._1.png"), "no images"),
    "out of it": (packed("../evil/rust/1.png"), "wants to write to"),
    "to the root": (packed("/evil/rust/1.png"), "wants to write to"),
    "to a drive": (packed("C:\\evil\\rust\\1.png"), "wants to write to"),
    "a file and a folder of one name": (packed("a/rust/1.png", "a/rust"), "at once"),
    "a folder below a file": (packed("a/rust", "a/rust/1.png"), "at once"),
    "a well of folders": (packed("a/" * 1500 + "1.png"), "too deeply"),
    "out of it the other way": (packed("a\\..\\..\\evil\\1.png"), "wants to write to"),
}


@pytest.mark.parametrize("name", BAD)
def test_an_archive_that_cannot_be_used_leaves_nothing(
    name: str, signed_in: Kaggle, tmp_path: Path
) -> None:
    signed_in.body, told = BAD[name]
    with pytest.raises(UserError, match=told) as raised:
        download_dataset(tmp_path / "data" / "leaves", "ada/leaves")
    assert raised.value.fix
    assert list((tmp_path / "data").iterdir()) == []
    assert sorted(each.name for each in tmp_path.iterdir()) == ["data", "home"]
    signed_in.body = packed("a/rust/1.png")
    assert download_dataset(tmp_path / "data" / "leaves", "ada/leaves").is_dir()


class SilentKaggle:
    """Delivers nothing, and says nothing about it."""

    def dataset_download_files(self, *_: object, **__: object) -> None:
        """As KaggleApi's."""


def test_an_absent_archive_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAGGLE_API_TOKEN", SECRET)
    with pytest.raises(UserError, match="delivered no archive of ada/leaves"):
        download_dataset(tmp_path / "out", "ada/leaves", SilentKaggle)
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_is_too_small_is_told_before_anything_is_unpacked(
    signed_in: Kaggle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    signed_in.body = packed("a/rust/1.png")
    free = shutil._ntuple_diskusage(100, 99, 1)  # type: ignore[attr-defined]
    monkeypatch.setattr(shutil, "disk_usage", lambda _: free)
    with pytest.raises(UserError, match="is full") as raised:
        download_dataset(tmp_path / "out", "ada/leaves")
    assert raised.value.code == "disk_full"
    assert (tmp_path / "out.download" / "leaves.zip").is_file()  # not fetched again
    assert not (tmp_path / "out").exists()


def test_an_archive_of_another_data_set_is_not_taken_for_this_one(
    signed_in: Kaggle, tmp_path: Path
) -> None:
    written(tmp_path / "out.download" / "cats.zip", "an interrupted download of another")
    signed_in.body = packed("rust/1.png")
    assert download_dataset(tmp_path / "out", "ada/leaves/3") == tmp_path / "out"
    asked = signed_in.asked[-1][1]
    assert (asked["ownerSlug"], asked["datasetSlug"]) == ("ada", "leaves")
    assert asked["datasetVersionNumber"] == 3


def test_an_empty_folder_is_filled_and_a_file_is_not_replaced(
    signed_in: Kaggle, tmp_path: Path
) -> None:
    signed_in.body = packed("rust/1.png")
    (tmp_path / "out").mkdir()
    assert download_dataset(tmp_path / "out", "ada/leaves") == tmp_path / "out"
    written(tmp_path / "file", "mine")
    with pytest.raises(UserError, match="is a file"):
        download_dataset(tmp_path / "file", "ada/leaves")
    assert (tmp_path / "file").read_text() == "mine"


def test_kaggle_is_asked_by_the_proxy_of_the_environment(
    signed_in: Kaggle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kagglesdk import kaggle_env

    place = "http://api.kaggle.example"
    monkeypatch.setitem(kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.PROD, place)
    with recording_proxy() as proxy:
        set_proxies(monkeypatch, http_proxy=proxy.url)
        with pytest.raises(UserError, match="did not deliver"):
            download_dataset(tmp_path / "out", "ada/leaves")
        assert proxy.asked[-1].startswith(f"POST {place}/v1/")
    set_proxies(monkeypatch, http_proxy=f"http://ada:{SECRET}@127.0.0.1:9")
    with pytest.raises(UserError, match="did not deliver") as raised:
        download_dataset(tmp_path / "out", "ada/leaves")
    assert SECRET not in str(raised.value)
