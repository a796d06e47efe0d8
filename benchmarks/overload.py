"""LeafGate at several times its capacity: what it still answers, how it refuses, how it recovers.

The peak is the best of 16 and 32 connections in a closed loop. Then requests are due at --times its
rate, whatever the service does, each over a connection of its own if no other is free; and at last
the closed loop again, at once, to see how soon the peak is back. Latency counts from when a request
was due.
"""

import argparse
from pathlib import Path
from statistics import mean

from benchmarks.contenders import leafgate_requests, leafgate_server
from benchmarks.load import run_load, write_requests
from benchmarks.load_figures import GOOD, Figures, Latency
from benchmarks.load_loop import Plan
from benchmarks.machine import parser_for, run_script
from benchmarks.prepare import add_state_options, prepared, work_folders
from benchmarks.servers import Running, running

PEAK_CONNECTIONS = (16, 32)
REFUSED = "503"
GOODPUT, BACK = 0.80, 0.90  # shares of the peak: asked for under overload; counted as recovered
STEP_SECONDS = 0.5
PATIENCE_SECONDS = 10.0  # of a client: an answer that comes later is of no use to it


def measure_peak(port: int, requests: Path, seconds: float) -> tuple[int, float]:
    """(connections, requests/s) of the best."""
    rates = {
        count: run_load(Plan(port, count, seconds, 2.0), requests).requests_per_second
        for count in PEAK_CONNECTIONS
    }
    best = max(rates, key=lambda count: rates[count])
    return best, rates[best]


def report_overload(found: Figures, rate: float, peak: float) -> str:
    """What came of it, with yes or no for each thing asked."""
    good = [second.get(GOOD, 0) / peak for second in found.timeline]
    refused = found.latency.get(REFUSED, Latency(0, *[float("nan")] * 3))
    told = ", ".join(f"{name} {count}" for name, count in found.outcomes.items())
    others = found.failed - refused.count
    reached = found.latency[GOOD].count if GOOD in found.latency else 0
    return "\n".join(
        (
            f"{rate:.0f} requests/s due for {found.seconds:g} s: {told}, unsent {found.unsent}",
            f"answered: {reached}, p50 {found.good.p50_ms:.0f} ms, p99 {found.good.p99_ms:.0f} ms",
            f"refused: p50 {refused.p50_ms:.1f} ms, p99 {refused.p99_ms:.1f} ms, "
            f"longest {refused.max_ms:.0f} ms",
            f"{_yes(mean(good) >= GOODPUT)} goodput {mean(good):.2f} of the peak in the mean, "
            f"{min(good):.2f} in the worst second; asked for at least {GOODPUT:.2f}",
            f"{_yes(found.retry_after == refused.count)} Retry-After on {found.retry_after} "
            f"of {refused.count} refusals",
            f"{_yes(not others)} other outcomes than 200 and 503: {others}",
        )
    )


def report_recovery(overload: Figures, after: Figures, peak: float) -> str:
    """When goodput was back, counted from when the load was taken away."""
    gap = after.began - overload.ended
    per_step = peak * STEP_SECONDS
    for number, step in enumerate(after.timeline):
        if step.get(GOOD, 0) >= BACK * per_step:
            seconds = gap + number * STEP_SECONDS
            return f"yes {BACK:.0%} of the peak again {seconds:.1f} s after the load was taken away"
    return f"no  below {BACK:.0%} of the peak for {gap + after.seconds:.0f} s after the load"


def _yes(fits: bool) -> str:
    return "yes" if fits else "no "


def overload(server: Running, requests: Path, args: argparse.Namespace) -> None:
    """Measure and print."""
    port = server.server.port
    connections, peak = measure_peak(port, requests, args.peak_seconds)
    print(f"peak {peak:.1f} requests/s at {connections} connections", flush=True)
    rate = args.times * peak
    many = Plan(port, args.most_connections, args.seconds, 1.0, rate, PATIENCE_SECONDS)
    found = run_load(many, requests)
    usual = Plan(port, connections, args.peak_seconds, 0.0, step_seconds=STEP_SECONDS)
    after = run_load(usual, requests)
    print(report_overload(found, rate, peak))
    print(report_recovery(found, after, peak))
    print(f"afterwards {after.requests_per_second:.1f} requests/s, {after.failed} failed")
    print(f"peak memory {server.usage().peak_mb:.0f} MB")
    print(f"the load generator itself: {found.own_cpu_us:.0f} us of CPU a request")


def options() -> argparse.Namespace:
    """The command line."""
    parser = parser_for(__doc__ or "")
    add = parser.add_argument
    add_state_options(parser)
    add("--times", type=float, default=5.0, help="the peak's rate")
    add("--seconds", type=float, default=60.0)
    add("--peak-seconds", type=float, default=10.0)
    add("--most-connections", type=int, default=500)
    return parser.parse_args()


def main() -> None:
    """Start the service, overload it, and print what came of it."""
    args = options()
    with work_folders(args) as (state, work):
        made = prepared(args, state)
        print(f"LeafGate at {args.times:g} times its capacity")
        print(made.about())
        with running(leafgate_server(made), work / "server.log") as server:
            sent = leafgate_requests(made, server.server.port)
            overload(server, write_requests(work / "requests", sent), args)


if __name__ == "__main__":
    run_script(main)
