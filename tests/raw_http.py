"""HTTP as bytes over a socket: what no client library would send, and how it is answered."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

CHUNK = 64 * 1024


class RawClient:
    """One connection."""

    def __init__(self, port: int, timeout_seconds: float = 20.0) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout_seconds)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._rest = b""  # of what came after the last answer

    def send(self, data: bytes | str) -> None:
        """Send it all."""
        self.socket.sendall(data.encode() if isinstance(data, str) else data)

    def flood(self, piece: bytes, most_bytes: int) -> int:
        """Send the piece again and again; returns how many bytes were sent before it failed."""
        sent = 0
        try:
            while sent < most_bytes:
                self.socket.sendall(piece)
                sent += len(piece)
        except OSError:
            return sent
        return sent

    def answer(self) -> "RawAnswer":
        """The next answer; its body is as long as Content-Length says."""
        data = self._rest
        while b"\r\n\r\n" not in data:
            data += self._more(data)
        head, _, body = data.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        fields = dict(line.lower().split(": ", 1) for line in lines[1:])
        length = int(fields.get("content-length", "0"))
        while len(body) < length:
            body += self._more(body)
        self._rest = body[length:]
        return RawAnswer(int(lines[0].split()[1]), fields, body[:length])

    def ends(self, seconds: float = 20.0) -> bool:
        """Whether the server ends the connection within that time; what it sends is dropped."""
        deadline = time.monotonic() + seconds
        try:
            while time.monotonic() < deadline:
                self.socket.settimeout(max(0.01, deadline - time.monotonic()))
                if not self.socket.recv(CHUNK):
                    return True
        except TimeoutError:
            return False
        except OSError:
            return True
        return False

    def close(self) -> None:
        """Hang up."""
        self.socket.close()

    def _more(self, before: bytes) -> bytes:
        data = self.socket.recv(CHUNK)
        if not data:
            raise EOFError(f"the connection ended after {before[:200]!r}")
        return data


class RawAnswer:
    """headers: names and values in lower case."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body

    def json(self) -> dict[str, object]:
        """The body."""
        found: dict[str, object] = json.loads(self.body)
        return found


@contextmanager
def raw_client(port: int, timeout_seconds: float = 20.0) -> Iterator[RawClient]:
    """A connection, closed after the block."""
    client = RawClient(port, timeout_seconds)
    try:
        yield client
    finally:
        client.close()
