"""Servers under measurement: started, watched through /proc as whole process trees, and stopped."""

import http.client
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from leafgate.errors import UserError

PROBE_SECONDS = 0.02
START_SECONDS = 180.0
STOP_SECONDS = 20.0
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Server:
    """How one is started. probe: a path that answers 200 once it is ready."""

    command: tuple[str, ...]
    env: Mapping[str, str]
    port: int
    probe: str


class Usage(NamedTuple):
    """Of a process and all its descendants. peak_mb: the sum of what each held at its peak
    (VmHWM), so that pages shared by several count for each of them.
    """

    cpu_seconds: float
    peak_mb: float
    processes: int


@dataclass(frozen=True)
class Running:
    """A server that is ready. start_seconds: from its process's start to its first ready answer."""

    server: Server
    process: subprocess.Popen[bytes]
    start_seconds: float

    def usage(self) -> Usage:
        """So far."""
        return usage_of(self.process.pid)


@contextmanager
def running(server: Server, log: Path) -> Iterator[Running]:
    """A server for as long as the block lasts, in the log's folder.

    Raises UserError where it does not get ready.
    """
    started = time.monotonic()
    with log.open("wb") as stream:
        process = subprocess.Popen(
            server.command,
            env=dict(server.env),
            cwd=log.parent,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _await_ready(server, process, log)
        yield Running(server, process, time.monotonic() - started)
    finally:
        _stop(process)


def _await_ready(server: Server, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if status_of(server.port, server.probe) == 200:
            return
        time.sleep(PROBE_SECONDS)
    end = log.read_text(encoding="utf-8", errors="replace")[-3000:]
    raise UserError(f"`{' '.join(server.command)}` does not get ready", f"its log ends: {end}")


def status_of(port: int, path: str, timeout_seconds: float = 10.0) -> int | None:
    """What GET answers; None where nothing does."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_seconds)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def _stop(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM, and after a while SIGKILL, to all that the server started."""
    tree = descendants(process.pid)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while time.monotonic() < deadline and any(Path(f"/proc/{one}").exists() for one in tree):
        process.poll()
        time.sleep(PROBE_SECONDS)
    for one in tree:
        with suppress(ProcessLookupError):
            if process.poll() is None or one != process.pid:
                os.kill(one, signal.SIGKILL)
    process.wait()


def descendants(root: int) -> list[int]:
    """`root` and all below it that are alive."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found = [root]
    for one in found:
        found += children.get(one, [])
    return found


def usage_of(root: int) -> Usage:
    """Of `root` and all below it."""
    tree = descendants(root)
    stats = [fields for one in tree if (fields := _stat(one))]
    ticks = sum(int(ticks) for fields in stats for ticks in fields[11:15])
    return Usage(ticks / TICKS, sum(_peak_kb(one) for one in tree) / 1024, len(stats))


def _stat(process: int) -> list[str]:
    """The fields of /proc/PID/stat from the state on; empty where the process has ended."""
    try:
        text = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()


def _peak_kb(process: int) -> int:
    try:
        text = Path(f"/proc/{process}/status").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return 0
    lines = (line.split() for line in text.splitlines() if line.startswith("VmHWM:"))
    return next((int(line[1]) for line in lines), 0)


def free_port() -> int:
    """A port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
