"""What a change costs a request: this checkout's service against another checkout's.

    git worktree add ../before main~20
    python -m benchmarks.revisions --baseline ../before

Both checkouts prepare the same classifier, images and user with their own code, and both services
run at the same time on the same cores. The same load is sent to one and then to the other, many
times in turn. A pair's ratio is of two neighbouring loads, so that a machine whose speed drifts
does not favour either. The interval is Student's t over the pairs.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean, median, stdev

from scipy import stats

from benchmarks.contenders import leafgate_requests, leafgate_server
from benchmarks.load import run_load, write_requests
from benchmarks.load_figures import Figures
from benchmarks.load_loop import Plan
from benchmarks.machine import hardware, parser_for, run_script
from benchmarks.prepare import ROOT, Prepared, prepared
from benchmarks.servers import Server, running
from leafgate.errors import UserError

NOW, BEFORE = "this checkout", "baseline"


@dataclass(frozen=True)
class Revision:
    """A checkout with the state that its own code prepared."""

    name: str
    checkout: Path
    made: Prepared

    def server(self) -> Server:
        """`leafgate serve` of this checkout."""
        server = leafgate_server(self.made)
        return replace(server, env={**server.env, "PYTHONPATH": str(self.checkout)})

    @property
    def commit(self) -> str:
        """The commit that is checked out, with a mark for uncommitted changes."""
        command = ["git", "describe", "--always", "--dirty"]
        done = subprocess.run(command, cwd=self.checkout, capture_output=True, text=True)
        return done.stdout.strip() or "not a git checkout"


def prepare_revision(name: str, checkout: Path, args: argparse.Namespace, state: Path) -> Revision:
    """Prepare the state of a checkout in a process that runs its code.

    Raises
    ------
    UserError
        If the folder is no checkout of LeafGate.

    """
    if not (checkout / "benchmarks" / "prepare.py").is_file():
        raise UserError(f"{checkout} is no checkout of LeafGate", "name its root with --baseline")
    command = [sys.executable, "-m", "benchmarks.prepare", f"--state={state}"]
    command += [f"--data={args.data.resolve()}"] if args.data else []
    state.mkdir(parents=True, exist_ok=True)
    if not (state / "prepared.json").is_file():
        environment = {**os.environ, "PYTHONPATH": str(checkout)}
        subprocess.run(command, cwd=state, env=environment, check=True)
    return Revision(name, checkout, prepared(args, state))


def compare(
    revisions: list[Revision], connections: int, pairs: int, seconds: float, work: Path
) -> dict[str, list[Figures]]:
    """Load both services in turn; the one that begins changes from pair to pair."""
    servers = {each.name: each.server() for each in revisions}
    found: dict[str, list[Figures]] = {each.name: [] for each in revisions}
    first, second = revisions
    with (
        running(servers[first.name], work / "1.log"),
        running(servers[second.name], work / "2.log"),
    ):
        sent = {
            each.name: write_requests(
                work / f"{each.name}-{connections}",
                leafgate_requests(each.made, servers[each.name].port),
            )
            for each in revisions
        }
        for turn in range(pairs):
            for each in revisions if turn % 2 else reversed(revisions):
                plan = Plan(servers[each.name].port, connections, seconds, 1.0)
                found[each.name].append(run_load(plan, sent[each.name]))
    return found


def report(found: dict[str, list[Figures]], connections: int) -> str:
    """Requests/s and median latency of both, and the ratio with its 95 % interval."""
    lines = []
    for name, figures in found.items():
        failed = sum(each.failed for each in figures)
        lines.append(
            f"{connections:>2} connections  {name:<13}  "
            f"{mean(each.requests_per_second for each in figures):7.1f} requests/s  "
            f"p50 {median(each.good.p50_ms for each in figures):6.1f} ms  "
            f"p99 {median(each.good.p99_ms for each in figures):6.1f} ms  failed {failed}"
        )
    ratios = [
        now.requests_per_second / before.requests_per_second
        for now, before in zip(found[NOW], found[BEFORE], strict=True)
    ]
    half = float(stats.t.ppf(0.975, len(ratios) - 1)) * stdev(ratios) / len(ratios) ** 0.5
    lines.append(
        f"{connections:>2} connections  {NOW} / {BEFORE}: {mean(ratios):.3f} "
        f"(95 % interval {mean(ratios) - half:.3f} to {mean(ratios) + half:.3f}, "
        f"{len(ratios)} pairs)"
    )
    return "\n".join(lines)


def options() -> argparse.Namespace:
    """The command line."""
    parser = parser_for(__doc__ or "")
    add = parser.add_argument
    add("--baseline", type=Path, required=True, metavar="CHECKOUT", help="root of another checkout")
    add("--data", type=Path, metavar="FOLDER", help="class folders of JPEGs; else leaves are drawn")
    add("--state", type=Path, required=True, metavar="FOLDER", help="keeps what is prepared")
    add("--connections", type=int, nargs="+", default=[1, 8])
    add("--pairs", type=int, default=12, help="for each number of connections; at least 2")
    add("--seconds", type=float, default=6.0, help="of one load")
    args = parser.parse_args()
    args.model = None
    if args.pairs < 2:
        raise UserError(f"--pairs {args.pairs} gives no interval", "ask for at least 2")
    return args


def main() -> None:
    """Prepare both, compare, and print."""
    args = options()
    state: Path = args.state.resolve()
    revisions = [
        prepare_revision(NOW, ROOT, args, state / "now"),
        prepare_revision(BEFORE, args.baseline.resolve(), args, state / "before"),
    ]
    print(f"machine  {hardware()}")
    for each in revisions:
        print(f"{each.name:<13}  {each.commit}")
    print(f"network  {revisions[0].made.network}\nimages   {revisions[0].made.data}")
    for connections in args.connections:
        with tempfile.TemporaryDirectory() as work:
            found = compare(revisions, connections, args.pairs, args.seconds, Path(work))
        print(report(found, connections), flush=True)


if __name__ == "__main__":
    run_script(main)
