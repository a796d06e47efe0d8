"""Whether answers and moves between versions fit together."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from benchmarks.prepare import TWIN_MARKS


@dataclass(frozen=True)
class Move:
    """A version put into production, in seconds of `time.monotonic`: from `begun` to `done`.

    seen: when its first answer ended.
    """

    version: int
    begun: float
    done: float
    seen: float


class Seen(NamedTuple):
    """An answer: when its request was sent and it ended, the version it states, and whose class it
    has: 0 for the first version, 1 and on for its twins.
    """

    sent: float
    ended: float
    version: int
    network: int


def seen_in(line: bytes) -> Seen | None:
    """From a line of `benchmarks.load.AnswerLines`; None for one that is no prediction."""
    found = json.loads(line)
    if found["status"] != 200:
        return None
    body = found["body"]
    marks = (number for number, mark in enumerate(TWIN_MARKS, 1) if body["class"].endswith(mark))
    return Seen(found["sent"], found["ended"], body["model"]["version"], next(marks, 0))


class Live(NamedTuple):
    """From when a version could first answer until the next one had."""

    version: int
    begin: float
    end: float


def lives(first: int, moves: Sequence[Move]) -> list[Live]:
    """When each version may answer: from the beginning of its move until the next one's is seen.

    In between the service is on its way, and either may answer.
    """
    begins = [(first, float("-inf")), *((move.version, move.begun) for move in moves)]
    ends = [*(move.seen for move in moves), float("inf")]
    return [Live(version, begin, end) for (version, begin), end in zip(begins, ends, strict=True)]


def problems(seen: Sequence[Seen], moves: Sequence[Move], versions: Sequence[int]) -> list[str]:
    """A line for each answer whose version was not live between its request and its end, or whose
    class is another network's than the version says. The first of `versions` was live before.
    """
    spans = lives(versions[0], moves)
    found = []
    for one in seen:
        if versions[one.network] != one.version:
            found.append(f"an answer of version {one.version} has another's class")
        if not any(_could(one, span) for span in spans):
            found.append(f"version {one.version} answered {one.sent:.3f} to {one.ended:.3f}")
    return found


def _could(one: Seen, span: Live) -> bool:
    return one.version == span.version and one.ended >= span.begin and one.sent <= span.end
