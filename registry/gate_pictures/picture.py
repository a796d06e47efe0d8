"""What a picture of the report is, and the bound that it draws a line at."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from registry.checks import Verdict

BOUND = re.compile(r"(?:at least|at most|above|more than) (-?[\d.]+(?:e[+-]?\d+)?)")


@dataclass(frozen=True)
class Picture:
    """draw(evidence, verdict) -> PNG, or None where there is nothing to be seen.

    shows: what it is, for those who cannot see it; reading: how to read it, for those who can.
    """

    draw: Callable[..., bytes | None]
    shows: str
    reading: str


def bounds_in(verdict: Verdict) -> list[float]:
    """The numbers that a verdict's bound names, in order."""
    return [float(number) for number in BOUND.findall(verdict.bound)]


def bound_in(verdict: Verdict) -> float | None:
    """The first of them, if there is any."""
    return next(iter(bounds_in(verdict)), None)
