"""A port that something else has, or a host that is none of ours, ends a command in two lines."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from leafgate.errors import UserError
from leafgate.ports import HANDED, hand_over, listen, require_free_port
from tests.commands import environment, free_port, leafgate


@pytest.fixture(params=["127.0.0.1", "::1", "0.0.0.0"])
def taken(request: pytest.FixtureRequest) -> Iterator[tuple[str, int]]:
    """A host and a port that something listens on."""
    family = socket.AF_INET6 if ":" in request.param else socket.AF_INET
    with socket.socket(family) as other:
        other.bind((request.param, 0))
        other.listen()
        yield request.param, other.getsockname()[1]


def test_a_used_port_is_named_with_the_setting_that_moves_it(taken: tuple[str, int]) -> None:
    host, port = taken
    with pytest.raises(UserError) as raised:
        listen(host, port, "LEAFGATE_API_PORT")
    place = f"[::1]:{port}" if host == "::1" else f"{host}:{port}"
    assert raised.value.problem == f"cannot listen on {place} (Address already in use)"
    assert "LEAFGATE_API_PORT" in raised.value.fix
    assert raised.value.code == "port_in_use"


def test_another_address_of_localhost_that_is_taken_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A browser may take either address, and would show the page of another program."""
    both = [
        (family, socket.SOCK_STREAM, 6, "", (address, 0))
        for family, address in ((socket.AF_INET6, "::1"), (socket.AF_INET, "127.0.0.1"))
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: both)
    port = free_port()
    with listen("localhost", port, "LEAFGATE_API_PORT") as ours:
        assert ours.getsockname()[0] == "127.0.0.1"
    with socket.socket(socket.AF_INET6) as other:
        other.bind(("::1", port))
        other.listen()
        with pytest.raises(UserError, match=rf"\[::1\]:{port}"):
            listen("localhost", port, "LEAFGATE_API_PORT")


@pytest.mark.parametrize("host", ["no-such-host.invalid", "203.0.113.7", "2001:db8::1", "a b", ""])
def test_a_host_that_is_not_this_machine_is_told_from_a_used_port(host: str) -> None:
    if host == "":
        listen(host, free_port(), "LEAFGATE_API_PORT").close()  # everywhere
        return
    with pytest.raises(UserError) as raised:
        listen(host, free_port(), "LEAFGATE_API_PORT")
    assert "LEAFGATE_HOST" in raised.value.fix
    assert raised.value.code == "cannot_listen"


@pytest.mark.parametrize("host", ["[::1]", "::1"])
def test_brackets_around_a_host_do_not_matter(host: str) -> None:
    with listen(host, free_port(), "LEAFGATE_API_PORT") as listener:
        assert listener.family == socket.AF_INET6


def test_a_child_serves_on_the_socket_that_it_was_handed(monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    with listen("127.0.0.1", port, "LEAFGATE_API_PORT", at_once=True) as ours:
        child = dict(os.environ)
        descriptor = hand_over(ours, child)
        code = (
            "import os; from leafgate.ports import listen, require_free_port; "
            f"require_free_port('127.0.0.1', {port}, 'A'); "
            f"l = listen('127.0.0.1', {port}, 'A'); l.accept()[0].sendall(b'child'); "
            f"assert {HANDED!r} not in os.environ; print(l.get_inheritable())"
        )
        process = subprocess.Popen(
            [sys.executable, "-c", code],
            env=child,
            pass_fds=(descriptor,),
            stdout=subprocess.PIPE,
            text=True,
        )
    with socket.create_connection(("127.0.0.1", port)) as client:
        assert client.recv(5) == b"child"
    assert process.communicate()[0] == "False\n"
    monkeypatch.setenv(HANDED, child[HANDED])
    require_free_port("127.0.0.1", free_port(), "A")  # handed over for another port


@pytest.mark.parametrize(
    ("command", "setting"),
    [("serve", "api_port"), ("dashboard", "dashboard_port"), ("mlflow", "mlflow_port")],
)
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_every_service_says_in_two_lines_that_its_port_is_used(
    command: str, setting: str, host: str, tmp_path: Path
) -> None:
    with listen(host, free_port(), "A", at_once=True) as other:
        port = other.getsockname()[1]
        own = {setting: port, "host": host, "jwt_secret": "s" * 40}
        done = leafgate(command, env=environment(tmp_path / "var", **own), cwd=tmp_path)
    place = f"[::1]:{port}" if host == "::1" else f"{host}:{port}"
    assert done.returncode == 2
    assert done.stderr.splitlines()[-2:] == [
        f"error: cannot listen on {place} (Address already in use)",
        f"  what to do: stop what uses the port, or choose another with LEAFGATE_{setting.upper()}",
    ]
