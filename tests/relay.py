"""A way to a server that can be cut and mended, while the server itself stays up."""

import socket
import threading
from contextlib import suppress

from tests.commands import free_port


class Relay:
    """Listens on `port` and passes everything on to 127.0.0.1:`to`, except while it is cut."""

    def __init__(self, to: int) -> None:
        self.port, self._to = free_port(), to
        self._open: list[socket.socket] = []
        self._listener: socket.socket | None = None
        self.mend()

    def mend(self) -> None:
        """Let connections through."""
        self._listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def cut(self) -> None:
        """Refuse new connections and break those that are open."""
        ends, self._open = [self._listener, *self._open], []
        for end in ends:
            if end is not None:
                with suppress(OSError):  # the other side has closed it already
                    end.shutdown(socket.SHUT_RDWR)
                end.close()
        self._listener = None

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):  # it was cut
            while True:
                near, _ = listener.accept()
                far = socket.create_connection(("127.0.0.1", self._to))
                self._open += [near, far]
                for source, sink in ((near, far), (far, near)):
                    threading.Thread(target=_pass_on, args=(source, sink), daemon=True).start()


def _pass_on(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):  # it was cut
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
