"""What `leafgate demo` leaves running is its own, wherever it listens and whatever proxy is set."""

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import typer

from leafgate import demo
from leafgate.errors import UserError
from leafgate.settings import Settings
from tests.commands import free_port
from tests.recording_proxy import recording_proxy, set_proxies

PORTS = ("api_port", "dashboard_port", "mlflow_port")


@pytest.fixture
def demo_settings(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """An empty store of its own, free ports, and a training that is over at once."""
    (settings.var_dir / "demo").mkdir()
    own = settings.model_copy(update={name: free_port() for name in PORTS})
    for name in PORTS:
        monkeypatch.setenv(f"LEAFGATE_{name.upper()}", str(getattr(own, name)))
    monkeypatch.setattr(demo, "_train_and_gate", lambda *_: False)
    return own


@pytest.fixture
def password(demo_settings: Settings) -> str:
    """Of the demo's user."""
    return demo.make_account(demo_settings).password


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


@pytest.mark.parametrize("taken", PORTS)
def test_a_port_that_is_taken_ends_it_before_a_service_starts(
    taken: str, demo_settings: Settings, colour_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "_train_and_gate", lambda *_: pytest.fail("it trains"))
    port = getattr(demo_settings, taken)
    with (
        socket.create_server(("127.0.0.1", port)),
        pytest.raises(UserError, match=f"127.0.0.1:{port}") as raised,
    ):
        demo.run_demo(demo_settings, colour_folder)
    assert f"LEAFGATE_{taken.upper()}" in raised.value.fix
    assert all(_is_free(getattr(demo_settings, name)) for name in PORTS)
    assert not (demo_settings.var_dir / "demo" / "logs" / "serve.log").exists()


def test_the_services_are_up_while_it_trains_and_stop_where_that_fails(
    demo_settings: Settings, colour_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered = []

    def train(*_: object) -> bool:
        for part in demo.services(demo_settings):
            answered.append(httpx.get(part.address + part.probe, trust_env=False).status_code)
        raise typer.Exit(2)

    monkeypatch.setattr(demo, "_train_and_gate", train)
    with pytest.raises(typer.Exit):
        demo.run_demo(demo_settings, colour_folder)
    assert answered == [200, 200, 200]
    assert all(_is_free(getattr(demo_settings, name)) for name in PORTS)


def test_two_parts_on_one_port_are_told_before_the_training(
    demo_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "_train_and_gate", lambda *_: pytest.fail("it trains"))
    same = demo_settings.model_copy(update={"mlflow_port": demo_settings.api_port})
    with pytest.raises(UserError, match=str(same.api_port)):
        demo.run_demo(same, None)


def test_a_service_that_ends_as_it_starts_shows_the_end_of_its_log_and_no_address(
    demo_settings: Settings,
    password: str,
    colour_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(demo, "_train_and_gate", lambda *_: pytest.fail("it trains"))
    monkeypatch.setenv("LEAFGATE_JWT_SECRET", "short")
    with pytest.raises(UserError) as raised:
        demo.run_demo(demo_settings, colour_folder)
    assert raised.value.problem.startswith("`leafgate serve` ended with 2 as it started")
    assert "    error: LEAFGATE_JWT_SECRET is too short" in raised.value.problem
    assert str(demo_settings.var_dir / "demo" / "logs" / "serve.log") in raised.value.fix
    assert password not in "".join(capsys.readouterr())
    assert all(_is_free(getattr(demo_settings, name)) for name in PORTS)


def test_it_is_up_behind_a_proxy_and_what_it_prints_leads_to_it(
    demo_settings: Settings,
    password: str,
    colour_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    there = demo_settings.model_copy(update={"host": "::1"})
    seen: dict[str, object] = {}

    def look(processes: dict[str, subprocess.Popen[bytes]], logs: Path) -> None:
        words = capsys.readouterr().out
        seen["words"] = words
        seen["alive"] = [process.poll() for process in processes.values()]
        line = next(each for each in words.splitlines() if each.startswith("  curl"))
        seen["answer"] = subprocess.run(
            ["bash", "-c", line], capture_output=True, text=True, check=True
        ).stdout
        page = httpx.get(there.address(there.dashboard_port), trust_env=False)
        seen["page"] = page.status_code
        link = next(word for word in words.split() if "/sign-in?token=" in word)
        seen["mlflow"] = httpx.get(link, trust_env=False).status_code

    monkeypatch.setattr(demo, "_wait", look)
    with recording_proxy() as proxy:
        set_proxies(monkeypatch, http_proxy=proxy.url, ALL_PROXY=proxy.url)
        monkeypatch.setenv("LEAFGATE_HOST", "::1")
        demo.run_demo(there, colour_folder)
        assert proxy.asked == []
    for port in (there.api_port, there.dashboard_port, there.mlflow_port):
        assert f"http://[::1]:{port}" in str(seen["words"])
    assert password in str(seen["words"])
    assert seen["alive"] == [None, None, None]
    assert '"code":"no_production_model"' in str(seen["answer"]).replace(" ", "")
    assert (seen["page"], seen["mlflow"]) == (200, 303)


class Stopping:
    """A process that runs; looked at for the second time, it has Ctrl-C pressed.

    The handler is called, and no signal is sent: it would go to pytest's own process. That process
    died twice in this test, when it sent one.
    """

    def __init__(self) -> None:
        self.looks = 0

    def poll(self) -> None:
        self.looks += 1
        if self.looks > 1:
            handler = signal.getsignal(signal.SIGINT)
            assert callable(handler)
            assert handler is not signal.default_int_handler
            handler(signal.SIGINT, None)


@pytest.fixture
def _signals() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("_signals")
def test_a_service_that_ends_later_is_told_once_with_the_end_of_its_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "serve.log").write_text("\n".join(f"line {number}" for number in range(50)))
    ended = subprocess.Popen([sys.executable, "-c", "raise SystemExit(2)"])
    ended.wait()
    demo._wait({"serve": ended, "dashboard": Stopping()}, tmp_path)  # type: ignore[dict-item]
    told = capsys.readouterr().err
    assert told.count("`leafgate serve` ended with 2") == 1
    assert "    line 49\n" in told
    assert "line 30" not in told
    assert str(tmp_path / "serve.log") in told
