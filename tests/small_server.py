"""A small real HTTP server whose every answer a test decides."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

CLOSE = b""  # instead of an answer: the connection ends


@dataclass
class SmallServer:
    """bodies: of the requests it got, in the order of their arrival."""

    port: int
    bodies: list[bytes] = field(default_factory=list)
    connections: int = 0


def ok(body: bytes = b"{}", *fields: str, status: str = "200 OK") -> bytes:
    """An answer as bytes."""
    head = [f"HTTP/1.1 {status}", "Content-Type: application/json", *fields]
    return "\r\n".join([*head, f"Content-Length: {len(body)}", "", ""]).encode() + body


@contextmanager
def serving(answer: Callable[[int], bytes | None]) -> Iterator[SmallServer]:
    """answer: bytes for request number n, CLOSE, or None for silence. A thread a connection."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=200)
    server = SmallServer(listener.getsockname()[1])
    opened: list[socket.socket] = []

    def accept() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                server.connections += 1
                opened.append(client)
                threading.Thread(target=_talk, args=(client, server, answer), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield server
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for client in opened:
            client.close()


def _talk(
    client: socket.socket, server: SmallServer, answer: Callable[[int], bytes | None]
) -> None:
    with suppress(OSError, ValueError), client.makefile("rb") as stream:
        while line := stream.readline():
            length = 0
            while (line := stream.readline().strip()) != b"":
                name, _, value = line.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
            server.bodies.append(stream.read(length))
            told = answer(len(server.bodies) - 1)
            if told == CLOSE:
                client.shutdown(socket.SHUT_RDWR)
                return
            if told is not None:
                client.sendall(told)
                if b"Connection: close" in told:
                    client.shutdown(socket.SHUT_RDWR)
                    return
