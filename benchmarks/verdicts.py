"""What the measurements of services come to: a table, and what was asked for with yes or no."""

from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import NamedTuple

from benchmarks.contenders import CONTENDERS
from benchmarks.load_figures import Figures

CEILING = "ceiling"
START_SECONDS, PEAK_MB = 6.0, 700.0


class Measured(NamedTuple):
    """One server at one number of connections. peak_mb: since its start."""

    connections: int
    figures: Figures
    cpu_ms: float
    peak_mb: float
    start_seconds: float


Results = Mapping[str, list[list[Measured]]]  # by name; rounds; numbers of connections
Ceiling = Mapping[int, tuple[float, float]]  # by way: images/s, CPU ms an image
Ceilings = list[Ceiling]  # rounds
Value = Callable[[Measured], float]

COLUMNS: dict[str, Value] = {
    "requests/s": lambda one: one.figures.requests_per_second,
    "p50 ms": lambda one: one.figures.good.p50_ms,
    "p99 ms": lambda one: one.figures.good.p99_ms,
    "CPU ms": lambda one: one.cpu_ms,
    "peak MB": lambda one: one.peak_mb,
    "start s": lambda one: one.start_seconds,
    "failed": lambda one: one.figures.failed,
}
rate, p99_ms = COLUMNS["requests/s"], COLUMNS["p99 ms"]


def table(results: Results, ceilings: Ceilings) -> str:
    """A line for each service and number of connections, and the ceiling's."""
    lines = [f"{'service':24s} {'conns':>5s} " + " ".join(f"{name:>10s}" for name in COLUMNS)]
    for name, rounds in results.items():
        for measured in zip(*rounds, strict=True):
            values = [median(map(value, measured)) for value in COLUMNS.values()]
            told = " ".join(f"{value:10.1f}" for value in values)
            lines.append(f"{CONTENDERS[name].name:24s} {measured[0].connections:5d} {told}")
    if ceilings:
        lines.append(f"{'decode and engine alone':24s} {'':5s} {_ceiling_line(ceilings)}")
    return "\n".join(lines)


def _ceiling_line(ceilings: Ceilings) -> str:
    from benchmarks.ceiling import WAYS

    rates, cpu_ms = zip(*(max(ways.values()) for ways in ceilings), strict=True)
    best = max(ceilings[-1], key=lambda way: ceilings[-1][way])
    return f"{median(rates):10.1f} {'':10s} {'':10s} {median(cpu_ms):10.1f}  ({WAYS[best]})"


class Verdict(NamedTuple):
    """A ratio of two values, asked to be at least or at most a bound; one for each round."""

    text: str
    values: list[float]
    bound: float
    at_least: bool = True

    def __str__(self) -> str:
        value = median(self.values)
        fits = value >= self.bound if self.at_least else value <= self.bound
        asked = f"{'at least' if self.at_least else 'at most'} {self.bound:.3g}"
        return f"{'yes' if fits else 'no':3s} {self.text}: {value:.2f}, asked for {asked}"


def verdicts(results: Results, ceilings: Ceilings) -> str:
    """A line for each that was measured."""
    found = [
        _ratio(results, "requests/s", rate, "leafgate", "mlflow-tensorflow", 4.0),
        _ratio(results, "p99", p99_ms, "leafgate", "mlflow-tensorflow", 1 / 3, at_least=False),
        _ratio(results, "requests/s", rate, "leafgate", "mlflow", 1.5),
        _ratio(results, "requests/s", rate, "leafgate-fp32", "bentoml", 1.0),
        _to_ceiling(results, ceilings),
        *_start_and_memory(results),
    ]
    return "\n".join(str(verdict) for verdict in found if verdict is not None)


def _ratio(
    results: Results,
    what: str,
    value: Value,
    ours: str,
    theirs: str,
    bound: float,
    at_least: bool = True,
) -> Verdict | None:
    """At 8 connections, round by round."""
    pairs = list(zip(_at(results, ours, 8), _at(results, theirs, 8), strict=False))
    if not pairs:
        return None
    text = f"{what} at 8 connections, {CONTENDERS[ours].name} / {CONTENDERS[theirs].name}"
    return Verdict(text, [value(one) / value(other) for one, other in pairs], bound, at_least)


def _to_ceiling(results: Results, ceilings: Ceilings) -> Verdict | None:
    pairs = list(zip(_at(results, "leafgate", 32), ceilings, strict=False))
    if not pairs:
        return None
    shares = [rate(one) / max(ways.values())[0] for one, ways in pairs]
    return Verdict("requests/s at 32 connections, LeafGate / ceiling", shares, 0.85)


def _start_and_memory(results: Results) -> Sequence[Verdict]:
    rounds = results.get("leafgate", [])
    if not rounds:
        return ()
    starts = [row[0].start_seconds for row in rounds]
    peaks = [row[-1].peak_mb for row in rounds]
    return (
        Verdict("LeafGate's seconds to /ready", starts, START_SECONDS, at_least=False),
        Verdict("LeafGate's peak MB, both models", peaks, PEAK_MB, at_least=False),
    )


def _at(results: Results, name: str, connections: int) -> list[Measured]:
    rounds = results.get(name, [])
    return [one for row in rounds for one in row if one.connections == connections]
