"""Listening: a port that something else has is said so before anything is started."""

import errno
import os
import socket
from collections.abc import MutableMapping

from leafgate.errors import UserError
from leafgate.hosts import in_url, without_brackets

HANDED = "LEAFGATE_LISTENER"  # PORT:DESCRIPTOR of a socket that the parent process listens on
Place = tuple[socket.AddressFamily, tuple[str, int]]


def listen(host: str, port: int, setting: str, at_once: bool = False) -> socket.socket:
    """A socket bound to the port; the one that the parent process handed over, where it did.

    at_once: connections are taken from now on, and wait to be accepted; else nobody is let in yet.
    Raises UserError naming the setting that moves it.
    """
    handed = _handed(port)
    if handed is not None:
        del os.environ[HANDED]
        listener = socket.socket(fileno=handed)
        listener.set_inheritable(False)
        return listener
    first, *others = _places(host, port, setting)
    for place in others:  # clients of `localhost` may take any of its addresses
        try:
            _bound(place).close()
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise _cannot_listen(place[1][0], port, setting, error) from error
    try:
        listener = _bound(first)
        if at_once:
            listener.listen()
    except OSError as error:
        raise _cannot_listen(host, port, setting, error) from error
    return listener


def require_free_port(host: str, port: int, setting: str) -> None:
    """Raises UserError where the port is taken at this moment, unless the parent handed it over."""
    if _handed(port) is None:
        listen(host, port, setting).close()


def hand_over(listener: socket.socket, environment: MutableMapping[str, str]) -> int:
    """Have a child process that gets `environment` listen on this socket; which descriptor to pass
    on to it.
    """
    environment[HANDED] = f"{listener.getsockname()[1]}:{listener.fileno()}"
    return listener.fileno()


def _handed(port: int) -> int | None:
    its_port, _, descriptor = os.environ.get(HANDED, "").partition(":")
    return int(descriptor) if its_port == str(port) and descriptor.isdecimal() else None


def _places(host: str, port: int, setting: str) -> list[Place]:
    """The addresses of the host, IPv4 first."""
    bare = without_brackets(host) or "0.0.0.0"  # noqa: S104 - as the user set it
    try:
        found = socket.getaddrinfo(bare, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise _cannot_listen(host, port, setting, error) from error
    places = {(family, (str(address[0]), port)) for family, _, _, _, address in found}
    return sorted(places, key=lambda place: place[0] != socket.AF_INET)


def _bound(place: Place) -> socket.socket:
    family, address = place
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError:
        listener.close()
        raise
    return listener


def _cannot_listen(host: str, port: int, setting: str, error: OSError | UnicodeError) -> UserError:
    number = getattr(error, "errno", None)
    reason = getattr(error, "strerror", None) or "no such host"
    problem = f"cannot listen on {in_url(host)}:{port} ({reason})"
    if number == errno.EADDRINUSE:
        fix = f"stop what uses the port, or choose another with {setting}"
        return UserError(problem, fix, code="port_in_use")
    if number == errno.EACCES:
        fix = f"ports below 1024 are for the system: choose another with {setting}"
    else:
        fix = (
            "set LEAFGATE_HOST to an address of this machine: 127.0.0.1 or ::1 for itself alone, "
            "0.0.0.0 or :: for others too"
        )
    return UserError(problem, fix, code="cannot_listen")
