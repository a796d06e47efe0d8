"""LeafGate under full load while versions come and go: nothing fails, nothing is mixed up.

Three versions of one network take turns in production while a closed loop loads the service:
promotions, each of a version that is not warm, and rollbacks from them. A move waits until the one
before is seen in an answer. Class names differ, so an answer shows which network made it, besides
the version it states. Before and after, the same load runs without moves. All moves are made by
this one process, on the cores of the service.
"""

import argparse
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from statistics import mean, median
from typing import IO

from benchmarks.contenders import leafgate_requests, leafgate_server, token
from benchmarks.load import run_load, running_load, write_requests
from benchmarks.load_figures import Figures
from benchmarks.load_loop import Plan
from benchmarks.machine import parser_for, run_script
from benchmarks.moves import Move, Seen, problems, seen_in
from benchmarks.prepare import CLASSIFIER, Prepared, add_state_options, prepared, work_folders
from benchmarks.servers import Running, running
from leafgate.errors import UserError
from leafgate.gating import open_ledger
from leafgate.progress import progress
from leafgate.settings import Settings
from registry import Ledger, force, rollback

LOOK_SECONDS = 0.02
PATIENCE_SECONDS = 120.0
LONGEST_SECONDS = 3600.0  # of the load: it is stopped when the moves are over
REASON = "a benchmark's move"
CALM = 2.0  # p99 with moves may be this many times that without


class Follower:
    """Reads the answers as the load writes them down."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._rest = b""

    def await_version(self, version: int, begun: float) -> float:
        """Until one of `version` is there that was asked for after `begun`; when that ended."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            *lines, self._rest = (self._rest + self._stream.read()).split(b"\n")
            for seen in map(seen_in, lines):
                if seen is not None and seen.version == version and seen.sent >= begun:
                    return seen.ended
            time.sleep(LOOK_SECONDS)
        raise UserError(
            f"version {version} did not answer within {PATIENCE_SECONDS:g} s of its promotion",
            "see GET /health of the service for the reason",
        )


class Mover:
    """Moves versions as `leafgate models promote` and `rollback` do, and waits for answers.

    reload: called after each move.
    """

    def __init__(
        self, ledger: Ledger, versions: tuple[int, ...], reload: Callable[[], object]
    ) -> None:
        self.ledger, self.versions, self.reload = ledger, versions, reload
        self.now, self.previous = versions[:2]
        self.moves: list[Move] = []

    def move(self, answers: Follower) -> Move:
        """A promotion, or the way back from it. Raises UserError if no answer ever shows it."""
        begun = time.monotonic()
        if len(self.moves) % 2:
            self.now, self.previous = self.previous, self.now
            rollback(self.ledger, CLASSIFIER, REASON)
        else:
            cold = (one for one in self.versions if one not in (self.now, self.previous))
            self.now, self.previous = next(cold), self.now
            force(self.ledger, self.ledger.store.get(CLASSIFIER, self.now), REASON)
        self.reload()
        done = time.monotonic()
        seen = answers.await_version(self.now, begun)
        self.moves.append(Move(self.now, begun, done, seen))
        return self.moves[-1]


def reload_at(port: int) -> Callable[[], object]:
    """POST /models/reload, as one who may."""
    bearer = {"Authorization": f"Bearer {token(port)}"}
    url = f"http://127.0.0.1:{port}/models/reload"

    def reload() -> None:
        urllib.request.urlopen(urllib.request.Request(url, b"", bearer), timeout=60).close()

    return reload


def ledger_of(made: Prepared) -> Ledger:
    """The audit of the registry that the service follows, whatever this shell is set to."""
    embedded = {"mlflow_tracking_uri": "", "database_url": "", "audit_key": None}
    return open_ledger(Settings(_env_file=None, var_dir=made.var_dir, **embedded))  # type: ignore[call-arg, arg-type]


def load_with_moves(
    mover: Mover, plan: Plan, requests: Path, file: Path, count: int
) -> tuple[Figures, list[Seen]]:
    """The load for as long as `count` moves take."""
    with running_load(plan, requests, file) as load:
        while not file.exists():
            time.sleep(LOOK_SECONDS)
        time.sleep(2 * plan.warm_seconds)
        with file.open("rb") as stream, progress("moves", count) as advance:
            answers = Follower(stream)
            for _ in range(count):
                move = mover.move(answers)
                advance(f"version {move.version} after {move.seen - move.done:.1f} s")
        time.sleep(plan.warm_seconds)
        load.stop()
        figures = load.figures()
    lines = file.read_bytes().splitlines()
    found = [seen for seen in map(seen_in, lines) if seen is not None]
    return figures, found


def report(calm: list[Figures], moving: Figures, moves: list[Move], wrong: list[str]) -> str:
    """What came of it, with yes or no for each thing asked. wrong: of all answers."""
    quiet, loud = mean(one.good.p99_ms for one in calm), moving.good.p99_ms
    delays = {"promotion": moves[::2], "rollback": moves[1::2]}
    told = ", ".join(f"{name} {count}" for name, count in moving.outcomes.items())
    lines = [
        f"{len(moves)} moves in {moving.seconds:.0f} s under load: {told}",
        *(f"seen in an answer {_delay(some)} after a {kind}" for kind, some in delays.items()),
        f"requests/s {calm[0].requests_per_second:.1f} before, {moving.requests_per_second:.1f} "
        f"with moves, {calm[1].requests_per_second:.1f} after",
        f"{_yes(not moving.failed)} failed requests: {moving.failed}",
        f"{_yes(not wrong)} answers by a version that was not live, or mixed: {len(wrong)} "
        f"of {moving.requests}",
        f"{_yes(loud <= CALM * quiet)} p99 {loud:.0f} ms with moves, {calm[0].good.p99_ms:.0f} ms "
        f"before, {calm[1].good.p99_ms:.0f} ms after: {loud / quiet:.2f} times, asked for at most "
        f"{CALM:g}",
    ]
    return "\n".join([*lines, *wrong[:5]])


def _delay(moves: list[Move]) -> str:
    seconds = [move.seen - move.done for move in moves] or [float("nan")]
    return f"{median(seconds):.2f} s in the median, {max(seconds):.2f} s at most,"


def _yes(fits: bool) -> str:
    return "yes" if fits else "no "


def swap(
    server: Running, made: Prepared, ledger: Ledger, args: argparse.Namespace, work: Path
) -> None:
    """Measure and print."""
    port = server.server.port
    requests = write_requests(work / "requests", leafgate_requests(made, port))
    mover = Mover(ledger, made.versions, reload_at(port) if args.reload else lambda: None)
    calm = Plan(port, args.connections, args.calm_seconds, warm_seconds=2.0)
    moving = Plan(port, args.connections, LONGEST_SECONDS, warm_seconds=1.0)
    before = run_load(calm, requests)
    figures, seen = load_with_moves(mover, moving, requests, work / "answers", args.moves)
    after = run_load(calm, requests)
    wrong = problems(seen, mover.moves, made.versions)
    print(report([before, after], figures, mover.moves, wrong))


def options() -> argparse.Namespace:
    """The command line."""
    parser = parser_for(__doc__ or "")
    add = parser.add_argument
    add_state_options(parser)
    add("--moves", type=int, default=50, help="promotions and rollbacks in turn")
    add("--connections", type=int, default=8)
    add("--calm-seconds", type=float, default=20.0, help="without moves, before and after each")
    add("--poll-seconds", type=float, default=0.2, help="LEAFGATE_MODEL_POLL_SECONDS")
    add("--reload", action="store_true", help="POST /models/reload after each move")
    return parser.parse_args()


def main() -> None:
    """Start the service, move versions under load, and print what came of it."""
    args = options()
    args.twins = True
    with work_folders(args) as (state, work):
        made = prepared(args, state)
        if len(made.versions) < 3:
            raise UserError(f"{state} has no twins", "prepare another --state, or none")
        ledger = ledger_of(made)
        first = ledger.store.get(CLASSIFIER, made.versions[0])
        force(ledger, first, "where a benchmark begins")  # an earlier one may have been cut off
        print("LeafGate while versions come and go")
        print(made.about(), flush=True)
        service = leafgate_server(made, model_poll_seconds=args.poll_seconds)
        with running(service, work / "server.log") as server:
            swap(server, made, ledger, args, work)


if __name__ == "__main__":
    run_script(main)
