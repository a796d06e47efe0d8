"""A small HTTP proxy that writes down what reaches it, and answers everything with 503."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import pytest

ANSWER = b"HTTP/1.1 503 Proxy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
VARIABLES = [
    case(name)
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
    for case in (str.lower, str.upper)
]


@dataclass
class RecordingProxy:
    """asked: the request lines that reached it."""

    url: str
    asked: list[str] = field(default_factory=list)


@contextmanager
def recording_proxy() -> Iterator[RecordingProxy]:
    """A proxy on a port of its own, until the block ends."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=50)
    proxy = RecordingProxy(f"http://127.0.0.1:{listener.getsockname()[1]}")

    def accept() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                with client, suppress(OSError), client.makefile("rb") as stream:
                    proxy.asked.append(stream.readline().decode("latin-1").strip())
                    while stream.readline().strip():
                        pass
                    client.sendall(ANSWER)

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield proxy
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def set_proxies(monkeypatch: pytest.MonkeyPatch, **variables: str) -> None:
    """Exactly these; whatever a test adds to `no_proxy` is undone."""
    for name in VARIABLES:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
