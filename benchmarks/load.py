"""A load generator that costs its machine little: one process, one loop, requests made before.

Closed loop: every connection sends its next request when the last is answered. Open loop (--rate):
requests are due at fixed times whatever the service does, and latency counts from then, so that a
slow service cannot slow its own load. Connections are kept alive; one that the server closes is
opened again, and counted. The requests are files with whole requests in them, sent in turn.
Prints its figures as JSON.
"""

import argparse
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, fields
from pathlib import Path
from typing import IO

from benchmarks.http_bytes import Answer
from benchmarks.load_figures import Figures
from benchmarks.load_loop import Load, OnAnswer, Plan
from leafgate.strict_json import dump_json

FLUSH_SECONDS = 0.05  # whoever follows the answers sees them about as late


class RunningLoad:
    """A load under way in a process of its own."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self.process.poll() is not None

    def stop(self) -> None:
        """Have it send nothing more; its window ends now."""
        self.process.send_signal(signal.SIGTERM)

    def figures(self) -> Figures:
        """Wait for its end. Raises RuntimeError where it failed."""
        out, _ = self.process.communicate()
        if self.process.returncode:
            raise RuntimeError(f"the load generator ended with {self.process.returncode}")
        return Figures.from_json(json.loads(out))


@contextmanager
def running_load(plan: Plan, requests: Path, answers: Path | None = None) -> Iterator[RunningLoad]:
    """A load beside this process; it ends with the block. answers: see `AnswerLines`."""
    command = [sys.executable, "-m", "benchmarks.load", f"--requests={requests}"]
    named = {field.name: getattr(plan, field.name) for field in fields(plan)}
    command += [f"--{name.replace('_', '-')}={v}" for name, v in named.items() if v is not None]
    command += [f"--answers={answers}"] if answers else []
    root = Path(__file__).resolve().parents[1]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=root) as process:
        try:
            yield RunningLoad(process)
        finally:
            process.kill()


def run_load(plan: Plan, requests: Path, answers: Path | None = None) -> Figures:
    """A load in a process of its own, to its end."""
    with running_load(plan, requests, answers) as load:
        return load.figures()


class AnswerLines:
    """Every answer as a line of JSON: when it was sent, when it ended (`time.monotonic`), status
    and body, which must be JSON itself.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._flushed = 0.0

    def write(self, sent: float, ended: float, answer: Answer) -> None:
        """Add one."""
        body = answer.body if b"\r\ncontent-type: application/" in answer.head else b"null"
        head = f'{{"sent": {sent!r}, "ended": {ended!r}, "status": {answer.status}, "body": '
        self._stream.write(head.encode() + body + b"}\n")
        if ended - self._flushed > FLUSH_SECONDS:
            self._stream.flush()
            self._flushed = ended


def read_requests(folder: Path) -> list[bytes]:
    """The files of a folder, by name."""
    return [file.read_bytes() for file in sorted(folder.iterdir())]


def write_requests(folder: Path, requests: list[bytes]) -> Path:
    """Put whole requests where the generator finds them; returns the folder."""
    folder.mkdir(parents=True)
    for number, request in enumerate(requests):
        (folder / f"{number:05d}.http").write_bytes(request)
    return folder


@contextmanager
def _written_to(file: Path | None) -> Iterator[OnAnswer | None]:
    if file is None:
        yield None
        return
    with file.open("wb") as stream:
        yield AnswerLines(stream).write


def main() -> None:
    """Load, and print what came of it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--requests", type=Path, required=True, metavar="FOLDER")
    add("--answers", type=Path, metavar="FILE", help="write every answer there, a line each")
    add("--port", type=int, required=True)
    add("--host", default=Plan.host)
    add("--connections", type=int, default=Plan.connections, help="open loop: at most")
    add("--rate", type=float, help="requests/s; else a closed loop")
    add("--seconds", type=float, default=Plan.seconds)
    add("--warm-seconds", type=float, default=Plan.warm_seconds, help="before; not counted")
    add("--timeout-seconds", type=float, default=Plan.timeout_seconds)
    add("--step-seconds", type=float, default=Plan.step_seconds, help="of the timeline")
    args = vars(parser.parse_args())
    requests, answers = read_requests(args.pop("requests")), args.pop("answers")
    with _written_to(answers) as on_answer:
        load = Load(Plan(**args), requests, on_answer)
        signal.signal(signal.SIGTERM, lambda *_: load.stop())
        figures = load.run()
    sys.stdout.write(dump_json(asdict(figures)))


if __name__ == "__main__":
    main()
