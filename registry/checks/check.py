"""What a check is: a question, the bounds a policy must give, and a pure function that judges."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from registry.checks.verdict import Verdict

ModelKind = Literal["classifier", "generator"]
BoundValue = float | str
NAN = float("nan")


@dataclass(frozen=True)
class Bound:
    """One bound of a policy. idle: whether a value of it lets everything pass.

    choices: the words it may be; empty for a number. optional: a policy may leave it out, and the
    check is then called without it.
    """

    name: str
    idle: Callable[[BoundValue], bool]
    choices: tuple[str, ...] = ()
    optional: bool = False


def at_least(name: str, idle_at: float = 0.0, optional: bool = False) -> Bound:
    """A bound that nothing can miss at `idle_at` and below."""
    return Bound(name, lambda value: float(value) <= idle_at, optional=optional)


def at_most(name: str, idle_at: float = 1.0, optional: bool = False) -> Bound:
    """A bound that nothing can miss at `idle_at` and above."""
    return Bound(name, lambda value: float(value) >= idle_at, optional=optional)


def choice(name: str, choices: tuple[str, ...], idle: str) -> Bound:
    """A bound in words, one of which asks for nothing."""
    return Bound(name, lambda value: value == idle, choices)


@dataclass(frozen=True)
class Check:
    """judge(evidence, **bounds) -> Verdict.

    question: what it asks, for readers who know no statistics; remedy: what to try where it fails;
    needs: the measurements that it looks at (see `registry.measure`), beside the answers.
    """

    question: str
    remedy: str
    judge: Callable[..., Verdict]
    bounds: tuple[Bound, ...] = ()
    needs: tuple[str, ...] = field(default=())

    def is_idle(self, given: dict[str, BoundValue]) -> bool:
        """Whether nothing can fail it with these bounds; a check without bounds always can."""
        named = [bound for bound in self.bounds if bound.name in given]
        return bool(named) and all(bound.idle(given[bound.name]) for bound in named)


def not_measured(name: str, reason: str) -> Verdict:
    """What is missing fails."""
    return Verdict(name, False, NAN, "measured", f"cannot be judged: {reason}")


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of `values` lie; NaN for none."""
    if not len(values):
        return NAN
    ordered = sorted(values)
    return float(ordered[min(math.ceil(share * len(ordered)), len(ordered)) - 1])
