"""What a load came to: requests/s, percentiles, statuses, and how they went second by second."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

GOOD = "200"


class Record(NamedTuple):
    """One request, in seconds of `time.monotonic`, which all processes of a machine share.

    due: when it should have been sent; outcome: the status, or how it failed (`refused`, `closed`,
    `timeout`, `malformed`); retry_after: whether the answer said when to come again.
    """

    due: float
    ended: float
    outcome: str
    retry_after: bool = False


class Window(NamedTuple):
    """What counts: from the end of warming up until nothing more is sent."""

    begin: float
    end: float


@dataclass(frozen=True)
class Latency:
    """Of the requests of one outcome, from when they were due."""

    count: int
    p50_ms: float
    p99_ms: float
    max_ms: float


@dataclass(frozen=True)
class Figures:
    """requests_per_second: answered 200 within the window. latency: by outcome, of all that were
    due in it, however late they ended. timeline: for each step (a second, unless the plan says
    otherwise), outcomes counted by their end. began: the window, in `time.monotonic`.

    requests: all that ended, those of warming up too; retry_after: refusals that had one; unsent:
    due, but no connection was free till the end; reconnects: connections that the server closed;
    own_cpu_us: the generator's, for each request.
    """

    seconds: float
    requests_per_second: float
    outcomes: dict[str, int]
    latency: dict[str, Latency]
    timeline: list[dict[str, int]] = field(repr=False)
    began: float = 0.0
    requests: int = 0
    retry_after: int = 0
    unsent: int = 0
    reconnects: int = 0
    own_cpu_us: float = 0.0

    @property
    def good(self) -> Latency:
        """Of the requests answered 200; NaN where there were none."""
        return self.latency.get(GOOD, Latency(0, *[float("nan")] * 3))

    @property
    def ended(self) -> float:
        """When nothing more was sent, in `time.monotonic`."""
        return self.began + self.seconds

    @property
    def failed(self) -> int:
        """Requests with any other outcome than 200."""
        return sum(count for outcome, count in self.outcomes.items() if outcome != GOOD)

    @classmethod
    def from_json(cls, found: dict[str, object]) -> "Figures":
        """What `asdict` made of one."""
        latency = found["latency"]
        assert isinstance(latency, dict)  # noqa: S101 - our own file
        parts = {name: Latency(**values) for name, values in latency.items()}
        return cls(**{**found, "latency": parts})  # type: ignore[arg-type]


def figures_of(
    records: Sequence[Record],
    window: Window,
    unsent: int = 0,
    reconnects: int = 0,
    own_cpu_us: float = 0.0,
    step_seconds: float = 1.0,
) -> Figures:
    """Add up."""
    seconds = window.end - window.begin
    timeline: list[Counter[str]] = [Counter() for _ in range(max(1, round(seconds / step_seconds)))]
    spent: defaultdict[str, list[float]] = defaultdict(list)
    good = retry_after = 0
    for record in records:
        if window.begin <= record.ended < window.end:
            good += record.outcome == GOOD
            step = min(int((record.ended - window.begin) / step_seconds), len(timeline) - 1)
            timeline[step][record.outcome] += 1
        if window.begin <= record.due < window.end:
            spent[record.outcome].append(record.ended - record.due)
            retry_after += record.retry_after
    return Figures(
        seconds=seconds,
        requests_per_second=good / seconds,
        outcomes={outcome: len(times) for outcome, times in sorted(spent.items())},
        latency={outcome: latency_of(times) for outcome, times in sorted(spent.items())},
        timeline=[dict(step) for step in timeline],
        began=window.begin,
        requests=len(records),
        retry_after=retry_after,
        unsent=unsent,
        reconnects=reconnects,
        own_cpu_us=own_cpu_us,
    )


def latency_of(times: Sequence[float]) -> Latency:
    """times: seconds, at least one."""
    found = sorted(times)
    p50, p99, most = (1000 * percentile(found, share) for share in (0.5, 0.99, 1.0))
    return Latency(len(found), p50, p99, most)


def percentile(ordered: Sequence[float], share: float) -> float:
    """The smallest of `ordered` that at least `share` of them do not exceed (nearest rank)."""
    rank = -(-len(ordered) * share // 1)  # rounded up
    return ordered[max(0, int(rank) - 1)]
