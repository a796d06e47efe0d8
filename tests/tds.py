"""As much of a server of the TDS protocol as it takes to log in (MS-TDS 2.2): it knows no SQL."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

PRELOGIN, LOGIN, ANSWER = 0x12, 0x10, 0x04
# Version at 11, encryption at 17; no encryption.
PRELOGIN_ANSWER = bytes.fromhex("00000b0006 0100110001 ff 0f0000000000 02")
DONE = b"\xfd" + struct.pack("<HHQ", 0, 0, 0)


@contextmanager
def log_in_only() -> Iterator[int]:
    """The port of a server that lets anybody in, and to everything else says that it is done."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=_serve, args=(server,), daemon=True)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


def _serve(server: socket.socket) -> None:
    with suppress(OSError):  # shut down
        while True:
            connection, _ = server.accept()
            with connection, suppress(OSError, EOFError):
                while True:
                    kind = _read(connection)
                    said = PRELOGIN_ANSWER if kind == PRELOGIN else DONE
                    if kind == LOGIN:
                        said = acknowledged() + DONE
                    head = struct.pack(">BBHHBB", ANSWER, 1, len(said) + 8, 0, 1, 0)
                    connection.sendall(head + said)


def _read(connection: socket.socket) -> int:
    """A whole message. Returns its kind."""
    last = False
    while not last:
        head = connection.recv(8, socket.MSG_WAITALL)
        if len(head) < 8:
            raise EOFError
        kind, status, length = struct.unpack(">BBH", head[:4])
        connection.recv(length - 8, socket.MSG_WAITALL)
        last = bool(status & 1)
    return int(kind)


def acknowledged() -> bytes:
    """LOGINACK of TDS 7.4."""
    name = "nobody"
    body = b"\x01" + b"\x74\x00\x00\x04" + bytes([len(name)]) + name.encode("utf-16-le")
    body += b"\x0f\x00\x00\x00"
    return b"\xad" + struct.pack("<H", len(body)) + body
