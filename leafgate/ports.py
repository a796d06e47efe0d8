"""Listening: a port that something else has is said so before anything is started."""

import socket

from leafgate.errors import UserError


def listen(host: str, port: int, setting: str) -> socket.socket:
    """A socket bound to the port. Raises UserError naming the setting that moves it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise UserError(
            f"cannot listen on {host}:{port} ({error.strerror})",
            f"stop what uses the port, or choose another with {setting}",
            code="port_in_use",
        ) from error
    return listener


def require_free_port(host: str, port: int, setting: str) -> None:
    """Raises UserError where the port is taken at this moment."""
    listen(host, port, setting).close()
