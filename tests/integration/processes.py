"""`leafgate serve` as a process of its own, for tests of how it starts and ends."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

from leafgate.settings import Settings
from tests.commands import environment, free_port
from tests.integration.conftest import PASSWORD, api_settings, prepare_database
from tests.models import have_at_hand


@dataclass(frozen=True)
class ServedProcess:
    """settings: of its database; log: what it wrote."""

    process: subprocess.Popen[bytes]
    url: str
    settings: Settings
    log: Path

    def token(self) -> str:
        """A fresh token for `ada`."""
        form = {"username": "ada", "password": PASSWORD}
        return str(httpx.post(f"{self.url}/token", data=form).json()["access_token"])

    def end(self, signal_number: int) -> int:
        """Send the signal, and wait for the exit code."""
        self.process.send_signal(signal_number)
        return self.process.wait(60)


@contextmanager
def served(var_dir: Path, tmp_path: Path, **overrides: object) -> Iterator[ServedProcess]:
    """The service on a port of its own, ready; killed at the end if it is still there."""
    port, database = free_port(), f"sqlite:///{tmp_path / 'log.db'}"
    own = {"database_url": database, "api_port": port, **overrides}
    settings = api_settings(var_dir, tmp_path, **own)
    prepare_database(settings)
    have_at_hand(settings)
    env = environment(var_dir, jwt_secret="s" * 40, audit_key="a1" * 32, **own)
    program = [sys.executable, "-m", "leafgate.cli", "serve"]
    log = tmp_path / "serve.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(program, env=env, stderr=stream, start_new_session=True)
    try:
        yield ServedProcess(process, await_ready(port, process, log), settings, log)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def await_ready(port: int, process: subprocess.Popen[bytes], log: Path) -> str:
    """The address, once `/ready` says 200 there."""
    url = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(httpx.TransportError):
            if httpx.get(f"{url}/ready").status_code == 200:
                return url
        time.sleep(0.1)
    raise AssertionError(log.read_text()[-3000:])
