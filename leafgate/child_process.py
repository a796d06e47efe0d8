"""Work for a process of its own, which is asked and answers in JSON, and ends with its caller.

The caller makes a `Child` of a module that calls `answer_caller`. One line of JSON on its input
says what is wanted; the input stays open as long as the caller wants it: when it ends, however the
caller ended, so does the child. A last line of JSON on its output says what came of it.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType
from typing import IO, Any, NoReturn, Self

from leafgate.errors import UserError
from leafgate.strict_json import dump_json

CODE = Path(__file__).resolve().parents[1]
CLEARING_SECONDS = 10.0  # for the child to clear up in
ENDING_SECONDS = 15.0  # until it is killed


class ChildFailed(Exception):
    """It took too long, or broke down. The message says which; complaint: its last words."""

    def __init__(self, why: str, complaint: str = "") -> None:
        super().__init__(why)
        self.complaint = complaint


def command_of(module: str) -> tuple[str, ...]:
    """Runs our own code, whatever lies in the folder that the caller was started in (-P)."""
    return sys.executable, "-P", "-m", module


class Child:
    """A process that is asked one thing. Leaving the block ends it."""

    def __init__(self, command: tuple[str, ...]) -> None:
        self._told = tempfile.TemporaryFile()  # noqa: SIM115 - closed as the block ends
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=self._told,
            stderr=self._complaints,
            env={**os.environ, "PYTHONPATH": _with_our_code()},
            bufsize=0,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()
        self._told.close()
        self._complaints.close()

    def ask(self, request: Mapping[str, object], seconds: float) -> Mapping[str, Any]:
        """What it answers. Raises the UserError that it met with, or ChildFailed."""
        try:
            self._send(request)
            self._process.wait(seconds)
        except subprocess.TimeoutExpired as error:
            raise ChildFailed(f"nothing after {seconds:g} s") from error
        finally:
            self.end()
        return self._answer()

    def end(self) -> None:
        """End it, from any thread: by the end of its input, or by force where that does nothing."""
        assert self._process.stdin is not None  # noqa: S101 - it was asked for
        self._process.stdin.close()
        try:
            self._process.wait(ENDING_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _send(self, request: Mapping[str, object]) -> None:
        assert self._process.stdin is not None  # noqa: S101 - it was asked for
        try:
            self._process.stdin.write(dump_json(request, ensure_ascii=True).encode() + b"\n")
        except (BrokenPipeError, ValueError):  # it broke down at once, or was ended
            self._process.wait()

    def _answer(self) -> Mapping[str, Any]:
        try:
            answer = json.loads(_last_line(self._told))
            if "problem" not in answer:
                return dict(answer)
            refusal = UserError(answer["problem"], answer["fix"], answer["code"])
        except (ValueError, TypeError, KeyError) as error:
            raise ChildFailed("its process died", _last_line(self._complaints)) from error
        raise refusal


def _with_our_code() -> str:
    return os.pathsep.join([str(CODE), *filter(None, [os.environ.get("PYTHONPATH")])])


def _last_line(file: IO[bytes]) -> str:
    file.seek(0)
    lines = file.read().decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else ""


def answer_caller(work: Callable[[Any], Mapping[str, object]]) -> None:
    """In the child: do what the first line of the input asks for, and say what came of it."""
    signal.signal(signal.SIGTERM, _leave)
    request = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_end_with_the_caller, daemon=True).start()
    try:
        answer = work(request)
    except UserError as error:
        answer = {"problem": error.problem, "fix": error.fix, "code": error.code}
    sys.stdout.write(f"\n{dump_json(answer, ensure_ascii=True)}\n")


def _leave(_number: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(1)


def _end_with_the_caller() -> None:
    os.read(0, 1)  # not sys.stdin, whose lock would be held at exit
    os.kill(os.getpid(), signal.SIGTERM)  # raises in the main thread, which clears up
    time.sleep(CLEARING_SECONDS)
    os._exit(1)
