"""Running `leafgate` as a user does: as a process, with settings in its environment."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import cycle, islice
from pathlib import Path

import httpx

MLFLOW_TOKEN = "MLFLOW_TRACKING_TOKEN"
WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
FIRST, SHARE = 12_000 + 1_000 * (WORKER % 20), 1_000
# Below those that Linux lends to clients; tests that run side by side have shares of their own.
PORTS = cycle(FIRST + (os.getpid() + number) % SHARE for number in range(SHARE))


def free_port() -> int:
    """A port that nothing listens on, and that no other test of this run is given."""
    for port in islice(PORTS, SHARE):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError(f"no free port from {FIRST} on")


def environment(var_dir: Path, **settings: object) -> dict[str, str]:
    """What a command of its own state sees. settings: by name, without LEAFGATE_."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("LEAFGATE_")}
    named = {f"LEAFGATE_{name.upper()}": str(value) for name, value in settings.items()}
    ours = {"LEAFGATE_INCEPTION_WEIGHTS": "none", "TF_CPP_MIN_LOG_LEVEL": "3"}
    return {**clean, "LEAFGATE_VAR_DIR": str(var_dir), **ours, **named}


def leafgate(
    *arguments: object, env: Mapping[str, str], cwd: Path | None = None, stdin: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "leafgate.cli", *map(str, arguments)],
        env=dict(env),
        cwd=cwd,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@contextmanager
def service(command: str, probe: str, env: Mapping[str, str], log: Path) -> Iterator[None]:
    """`leafgate COMMAND` in the background until the block ends; waits until `probe` answers."""
    with running([sys.executable, "-m", "leafgate.cli", command], probe, env, log):
        yield


@contextmanager
def mlflow_server(var_dir: Path, port: int, log: Path) -> Iterator[str]:
    """`leafgate mlflow` over that state, with this process and its children signed in.

    Gives its address.
    """
    url, before = f"http://127.0.0.1:{port}", os.environ.get(MLFLOW_TOKEN)
    try:
        with service("mlflow", f"{url}/health", environment(var_dir, mlflow_port=port), log):
            os.environ[MLFLOW_TOKEN] = (var_dir / "mlflow.token").read_text().strip()
            yield url
    finally:
        os.environ.pop(MLFLOW_TOKEN, None)
        if before is not None:
            os.environ[MLFLOW_TOKEN] = before


@contextmanager
def running(
    program: Sequence[str], probe: str, env: Mapping[str, str], log: Path
) -> Iterator[None]:
    """A program in the background until the block ends; waits until `probe` answers."""
    with log.open("wb") as stream:
        process = subprocess.Popen(
            program,
            env=dict(env),
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _await(probe, process, log)
        yield
    finally:
        with suppress(ProcessLookupError):  # it ended by itself
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _await(probe: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(probe, timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    raise AssertionError(f"{probe} does not answer:\n{log.read_text(errors='replace')[-3000:]}")
