"""One file per gate check, and the table of them. A new check is a file and a line here.

A check is a pure function from evidence and its bounds to a verdict; what is NaN fails.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from registry.checks.accuracy import accuracy
from registry.checks.collapsed import not_collapsed
from registry.checks.diverse import diverse
from registry.checks.finite import finite
from registry.checks.in_range import in_range
from registry.checks.macro_f1 import macro_f1
from registry.checks.verdict import Verdict

ModelKind = Literal["classifier", "generator"]


@dataclass(frozen=True)
class Check:
    """judge(evidence, **bounds) -> Verdict; bounds: the names that a policy must give."""

    kind: ModelKind
    judge: Callable[..., Verdict]
    bounds: tuple[str, ...]


CHECKS: dict[str, Check] = {
    "accuracy": Check("classifier", accuracy, ("at_least",)),
    "macro_f1": Check("classifier", macro_f1, ("at_least",)),
    "finite": Check("generator", finite, ()),
    "in_range": Check("generator", in_range, ("tolerance",)),
    "not_collapsed": Check("generator", not_collapsed, ("near_copies_at_most",)),
    "diverse": Check("generator", diverse, ("at_least",)),
}

__all__ = ["CHECKS", "Check", "ModelKind", "Verdict"]
