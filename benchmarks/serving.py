"""Services of one stored classifier, in turn on the same cores: throughput, latency, cost.

Each is sent the same JPEGs over 1, 8 and 32 connections that are kept alive: `mlflow models serve`
held to TensorFlow, the same with the engine of its own choice, BentoML with adaptive batching on
OpenVINO in fp32, LeafGate held to fp32, and LeafGate in the form the model prefers, signed in, with
its limits and its request log on. The ceiling is decoding plus engine alone in one process
(`benchmarks.ceiling`). All take turns in every round, so that ratios, which are of one round each,
hold where absolute figures do not; medians over rounds are printed. MLflow's server has one worker,
its default; no service is given more or fewer cores than another, and the load generator shares
them. CPU is of a server's whole process tree, memory the sum of its processes' peaks.
"""

import argparse
import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from statistics import median
from typing import NamedTuple

from benchmarks.contenders import CONTENDERS, Contender
from benchmarks.load import run_load, write_requests
from benchmarks.load_loop import Plan
from benchmarks.machine import parser_for, run_script
from benchmarks.prepare import (
    Prepared,
    add_state_options,
    clean_environment,
    prepared,
    work_folders,
)
from benchmarks.servers import running
from benchmarks.verdicts import CEILING, Ceiling, Ceilings, Measured, Results, table, verdicts
from leafgate.errors import UserError
from leafgate.progress import progress

CONNECTIONS = (1, 8, 32)
BEST_WAYS = 3  # of the ceiling


class Pace(NamedTuple):
    """How long everything is given."""

    rounds: int
    seconds: float
    warm_seconds: float
    look_seconds: float
    ceiling_seconds: float


USUAL, QUICK = Pace(3, 10.0, 3.0, 1.5, 6.0), Pace(1, 3.0, 2.0, 0.5, 2.0)


def measure(
    contender: Contender, made: Prepared, connections: list[int], pace: Pace, work: Path
) -> list[Measured]:
    """Start it, load it, stop it. work: a folder of this measurement's own."""
    with running(contender.server(made), work / "server.log") as server:
        port = server.server.port
        requests = write_requests(work / "requests", contender.requests(made, port))
        found = []
        for count in connections:
            before = server.usage().cpu_seconds
            plan = Plan(port, count, pace.seconds, pace.warm_seconds)
            figures = run_load(plan, requests)
            used = server.usage()
            cpu_ms = 1000 * (used.cpu_seconds - before) / max(figures.requests, 1)
            found.append(Measured(count, figures, cpu_ms, used.peak_mb, server.start_seconds))
    return found


def measure_ceiling(made: Prepared, pace: Pace, known: Ceilings) -> Ceiling:
    """By way, of the few that a look at all of them, in the first round, found the best.

    The best of all in one short look would be the luckiest.
    """
    ways = list(known[0]) if known else []
    if not ways:
        seen = run_ceiling(made, pace.look_seconds, [])
        ways = sorted(seen, key=lambda way: seen[way], reverse=True)[:BEST_WAYS]
    return run_ceiling(made, pace.ceiling_seconds, ways)


def run_ceiling(made: Prepared, seconds: float, ways: list[int]) -> Ceiling:
    """In a process of its own. ways: by number, or all."""
    command = [sys.executable, "-m", "benchmarks.ceiling", f"--model={made.model}"]
    command += [f"--images={made.images}", f"--seconds={seconds}"]
    command += ["--ways", *map(str, ways)] if ways else []
    done = subprocess.run(
        command, cwd=made.folder, env=clean_environment(), stdout=subprocess.PIPE, check=True
    )
    return {int(way): (rate, cpu_ms) for way, (rate, cpu_ms) in json.loads(done.stdout).items()}


def measure_all(
    names: list[str], made: Prepared, connections: list[int], pace: Pace, work: Path
) -> tuple[Results, Ceilings]:
    """Every round: each of `names` in turn."""
    results: Results = defaultdict(list)
    ceilings: Ceilings = []
    with progress("measuring", pace.rounds * len(names)) as advance:
        for number in range(pace.rounds):
            for name in names:
                if name == CEILING:
                    ceilings.append(measure_ceiling(made, pace, ceilings))
                else:
                    folder = work / f"{number}-{name}"
                    folder.mkdir()
                    contender = CONTENDERS[name]
                    results[name].append(measure(contender, made, connections, pace, folder))
                advance(name)
    return results, ceilings


def options() -> argparse.Namespace:
    """The command line. Raises UserError for an unknown name in --only."""
    parser = parser_for(__doc__ or "")
    add = parser.add_argument
    add_state_options(parser)
    names = [*CONTENDERS, CEILING]
    add("--only", metavar="NAMES", help=f"with commas between, of: {', '.join(names)}")
    add("--connections", type=int, nargs="+", default=list(CONNECTIONS))
    add("--quick", action="store_true", help="one round of a few seconds each")
    add("--rounds", type=int)
    add("--seconds", type=float, help="for each number of connections")
    args = parser.parse_args()
    args.names = args.only.split(",") if args.only else names
    if unknown := set(args.names) - set(names):
        raise UserError(f"nobody is called {unknown.pop()!r}", f"--only takes {', '.join(names)}")
    return args


def pace_of(args: argparse.Namespace) -> Pace:
    """As asked for."""
    pace = QUICK if args.quick else USUAL
    given = {"rounds": args.rounds, "seconds": args.seconds}
    return pace._replace(**{name: value for name, value in given.items() if value})


def main() -> None:
    """Measure, and print tables and verdicts."""
    args = options()
    pace = pace_of(args)
    with work_folders(args) as (state, work):
        made = prepared(args, state)
        print(f"Serving one classifier, {pace.rounds} rounds of {pace.seconds:g} s, medians")
        print(made.about())
        results, ceilings = measure_all(args.names, made, args.connections, pace, work)
    print(table(results, ceilings))
    print(verdicts(results, ceilings))
    own = [one.figures.own_cpu_us for rows in results.values() for row in rows for one in row]
    if own:
        print(f"the load generator itself: {median(own):.0f} us of CPU a request")


if __name__ == "__main__":
    run_script(main)
