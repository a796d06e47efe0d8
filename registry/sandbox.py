"""Runs a script of ours, which then loads code of others, in a process that can do next to nothing.

The process gets no environment but what a library needs, no open files but its input and its
answer, and reads only Python's installation and the folders that are named (see
`registry.confinement`). It is ended after its time, or where it fills the disk; what it answers is
bytes to be looked at.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from leafgate.errors import UserError

ANSWER_BYTES = 16 * 2**20
COMPLAINT_BYTES = 4096
THREADS = 2000  # libraries start a few for each core
DISK_BYTES, DISK_FILES = 2 * 2**30, 100_000  # that may go from the free ones meanwhile
POLL_SECONDS = 0.2
PASSED_ON = ("LANG", "LC_ALL", "LC_CTYPE", "TZ", "LD_LIBRARY_PATH", "OMP_NUM_THREADS")
SYSTEM = (
    "/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/usr/share/zoneinfo",
    "/etc/ld.so.cache", "/etc/localtime", "/dev/zero", "/dev/random", "/dev/urandom",
    "/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat",
    "/sys/devices/system/cpu", "/sys/devices/system/node", "/sys/fs/cgroup",
)  # fmt: skip


@dataclass(frozen=True)
class Confined:
    """What a confined process may have. script: a file of ours, which confines itself first.

    readable: what it may read besides Python; secret: what it must not be able to read; set:
    further variables of its environment; seconds: until it is ended.
    """

    script: Path
    readable: Sequence[Path]
    secret: Sequence[Path]
    set: Mapping[str, str]
    seconds: float


class SandboxFailed(UserError):
    """The process gave no answer, for what it did itself."""

    def __init__(self, why: str) -> None:
        super().__init__(why, "look at the stored model; train it again", code="sandbox_failed")


def run_confined(confined: Confined, given: Iterable[bytes]) -> bytes:
    """The answer of the process to `given`, its input.

    Raises UserError: `no_sandbox` where this machine cannot confine a process, and nothing of
    others was run then; SandboxFailed where the process ends without an answer.
    """
    with _scratch() as scratch:
        readable = _readable(confined, scratch)
        with (
            _input(scratch, given) as stdin,
            tempfile.TemporaryFile() as complaints,
            tempfile.TemporaryFile() as answer,
        ):
            process = subprocess.Popen(
                _command(confined, scratch, readable, answer.fileno()),
                stdin=stdin,
                stdout=complaints,
                stderr=complaints,
                pass_fds=(answer.fileno(),),
                env=_environment(confined, scratch),
                cwd=scratch,
                start_new_session=True,
            )
            try:
                _await(process, confined.seconds, scratch)
            finally:
                process.kill()
                process.wait()
            return _answer(process.returncode, answer, complaints)


def printable(text: str, characters: int = 300) -> str:
    """A text of others, for a line of ours: nothing in it acts on a terminal."""
    return "".join(c if c.isprintable() else " " for c in text[:characters])


@contextmanager
def _scratch() -> Iterator[Path]:
    """The only folder that it may write to."""
    folder = Path(tempfile.mkdtemp(prefix="leafgate-confined-")).resolve()
    try:
        yield folder
    finally:
        with suppress(RecursionError):  # folders in folders, thousands deep
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _input(scratch: Path, given: Iterable[bytes]) -> Iterator[IO[bytes]]:
    """A file, which the process reads when it wants: nothing waits for it to do so."""
    file = scratch / "input"
    with file.open("wb") as stream:
        stream.writelines(given)
    with file.open("rb") as opened:
        file.unlink()
        yield opened


def _readable(confined: Confined, scratch: Path) -> list[str]:
    """Real paths. Raises UserError where something secret lies under one of them."""
    named = (*_python(), *map(Path, SYSTEM), *confined.readable)
    found = {path.resolve() for path in named}
    found.discard(Path(f"/proc/{os.getpid()}"))
    for secret in (path.resolve() for path in confined.secret):
        above = [path for path in (*found, scratch) if secret.is_relative_to(path)]
        if above:
            raise UserError(
                f"{secret} lies in {above[0]}, which code from the registry could read",
                "keep it elsewhere: LEAFGATE_VAR_DIR",
                code="no_sandbox",
            )
    return [*map(str, sorted(found)), "/proc/self"]


def _python() -> Iterator[Path]:
    """Where Python and its packages are; not every folder that it looks for modules in."""
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    yield from (Path(path) for name in names if (path := sysconfig.get_path(name)))
    yield Path(sys.base_prefix, "lib")
    packages = ("site-packages", "dist-packages")
    yield from (path for path in map(Path, sys.path) if path.name in packages)


def _command(
    confined: Confined, scratch: Path, readable: Sequence[str], answer: int
) -> tuple[str, ...]:
    """-I: no variable and no folder of the caller's changes what is imported; -B: no bytecode."""
    seconds = int(confined.seconds * (os.cpu_count() or 1)) + 1
    script = str(confined.script)
    return sys.executable, "-I", "-B", script, str(answer), str(seconds), str(scratch), *readable


def _environment(confined: Confined, scratch: Path) -> dict[str, str]:
    passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    own = {"PATH": "/usr/bin:/bin", "HOME": str(scratch), "TMPDIR": str(scratch), "USER": "nobody"}
    return {**passed, **own, **confined.set}


def _await(process: "subprocess.Popen[bytes]", seconds: float, scratch: Path) -> None:
    until, before = time.monotonic() + seconds, os.statvfs(scratch)
    while process.poll() is None:
        now = os.statvfs(scratch)
        gone = (before.f_bavail - now.f_bavail) * now.f_frsize
        if gone > DISK_BYTES or before.f_favail - now.f_favail > DISK_FILES:
            raise SandboxFailed("it was ended as it filled the disk")
        if _threads(process.pid) > THREADS:  # the system has a bounded number for all processes
            raise SandboxFailed(f"it was ended as it started more than {THREADS:,} threads")
        if time.monotonic() > until:
            raise SandboxFailed(f"it was ended after {seconds:g} s")
        with suppress(subprocess.TimeoutExpired):
            process.wait(POLL_SECONDS)


def _threads(process: int) -> int:
    try:
        return Path(f"/proc/{process}/task").stat().st_nlink - 2
    except OSError:  # it has ended
        return 0


def _answer(returncode: int, answer: IO[bytes], complaints: IO[bytes]) -> bytes:
    if returncode == UNCONFINABLE:
        raise UserError(
            f"code from the registry was not run: {_last_line(complaints)}",
            "run this on Linux 5.13 or newer with Landlock, in a container of Docker 23 or newer",
            code="no_sandbox",
        )
    size = answer.seek(0, os.SEEK_END)
    if returncode or not size:
        raise SandboxFailed(f"its process ended with {returncode} ({_last_line(complaints)})")
    if size > ANSWER_BYTES:
        raise SandboxFailed(f"it answered {size:,} bytes")
    answer.seek(0)
    return answer.read(ANSWER_BYTES)


UNCONFINABLE = 97  # the exit status of a script that could not confine itself


def _last_line(file: IO[bytes]) -> str:
    file.seek(max(file.seek(0, os.SEEK_END) - COMPLAINT_BYTES, 0))
    lines = file.read(COMPLAINT_BYTES).decode(errors="replace").strip().splitlines()
    return printable(lines[-1]) if lines else "it said nothing"
