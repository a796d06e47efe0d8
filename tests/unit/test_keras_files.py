"""Keras's files of weights: its cache first, then a download that never waits long for nothing."""

import hashlib
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from registry import keras_files
from registry.keras_files import FileUnavailableError, KerasFile, fetch_keras_file
from tests.commands import free_port

CONTENT = bytes(range(256)) * 3000  # three parts
MD5 = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    return tmp_path / "keras" / "models"


class Answers(BaseHTTPRequestHandler):
    """Sends what its server's `content` is; a server that `stalls` stops in the middle."""

    def do_GET(self) -> None:
        self.server.asked += 1  # type: ignore[attr-defined]
        content, stalled = self.server.content, self.server.stalled  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if stalled:
            self.wfile.write(content[: len(content) // 2])
            stalled.wait(30)
        else:
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    made = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    made.asked, made.content, made.stalled = 0, CONTENT, None  # type: ignore[attr-defined]
    threading.Thread(target=made.serve_forever, args=(0.01,), daemon=True).start()
    yield made
    made.shutdown()
    made.server_close()


def offered(port: int) -> KerasFile:
    return KerasFile(f"http://127.0.0.1:{port}/models/small_notop.h5", MD5)


def test_a_file_is_downloaded_once(server: ThreadingHTTPServer, cache: Path) -> None:
    wanted = offered(server.server_port)
    for _ in range(2):
        file = fetch_keras_file(wanted)
        assert (file, file.read_bytes()) == (cache / "small_notop.h5", CONTENT)
    assert server.asked == 1  # type: ignore[attr-defined]
    assert [each.name for each in cache.iterdir()] == ["small_notop.h5"]


def test_what_keras_itself_has_downloaded_needs_no_network(cache: Path) -> None:
    cache.mkdir(parents=True)
    (cache / "small_notop.h5").write_bytes(CONTENT)
    assert fetch_keras_file(offered(free_port()), may_download=False) == cache / "small_notop.h5"


def test_a_damaged_file_in_the_cache_is_downloaded_again(
    server: ThreadingHTTPServer, cache: Path
) -> None:
    cache.mkdir(parents=True)
    (cache / "small_notop.h5").write_bytes(CONTENT[:-1])
    assert fetch_keras_file(offered(server.server_port)).read_bytes() == CONTENT


def test_a_damaged_file_is_named_where_it_cannot_be_downloaded(cache: Path) -> None:
    cache.mkdir(parents=True)
    (cache / "small_notop.h5").write_bytes(CONTENT[:-1])
    for allowed, reason in ((True, "Connection refused"), (False, "no download is allowed")):
        with pytest.raises(FileUnavailableError, match=rf"small_notop.h5 is damaged; .*{reason}"):
            fetch_keras_file(offered(free_port()), allowed)


def test_a_download_that_is_not_the_file_is_not_kept(
    server: ThreadingHTTPServer, cache: Path
) -> None:
    server.content = b"a hotel's page to sign in"  # type: ignore[attr-defined]
    with pytest.raises(FileUnavailableError, match="is another file"):
        fetch_keras_file(offered(server.server_port))
    assert list(cache.iterdir()) == []


def test_a_network_that_refuses_is_told_at_once() -> None:
    with pytest.raises(FileUnavailableError, match=r"127\.0\.0\.1: .*Connection refused"):
        fetch_keras_file(offered(free_port()))
    with pytest.raises(FileUnavailableError, match="not in the cache; no download is allowed"):
        fetch_keras_file(offered(free_port()), may_download=False)


def test_a_network_that_is_silent_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keras_files, "PATIENCE_SECONDS", 0.1)
    silent = socket.create_server(("127.0.0.1", 0))
    with silent, pytest.raises(FileUnavailableError, match=r"did not answer within 0\.1 s"):
        fetch_keras_file(offered(silent.getsockname()[1]))


def test_looking_up_a_name_is_given_up_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """No timeout of a socket bounds that."""
    monkeypatch.setattr(keras_files, "PATIENCE_SECONDS", 0.1)
    over = threading.Event()
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: over.wait(30))
    with pytest.raises(FileUnavailableError, match="did not answer"):
        fetch_keras_file(KerasFile("http://weights.example/small_notop.h5", MD5))
    over.set()


def test_a_download_that_stalls_is_given_up_and_leaves_nothing(
    server: ThreadingHTTPServer, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keras_files, "PATIENCE_SECONDS", 0.3)
    server.stalled = over = threading.Event()  # type: ignore[attr-defined]
    with pytest.raises(FileUnavailableError, match="did not answer"):
        fetch_keras_file(offered(server.server_port))
    over.set()
    assert list(cache.iterdir()) == []


def test_a_home_that_cannot_be_written_to_is_no_obstacle(
    server: ThreadingHTTPServer, cache: Path, tmp_path: Path
) -> None:
    cache.parent.write_text("a file where Keras's folder should be")
    file = fetch_keras_file(offered(server.server_port))
    assert file == tmp_path / "temporary" / ".keras" / "models" / "small_notop.h5"
