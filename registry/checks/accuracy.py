"""Share of test images whose class is right, with its interval."""

from math import erf, sqrt

from leafgate.metrics.statistics import Interval, share
from registry.checks.check import Check, at_least
from registry.checks.evidence import ClassifierEvidence
from registry.checks.verdict import Verdict, sureness

NEAR_MISS = 0.01


def accuracy(
    evidence: ClassifierEvidence, at_least: float, lower_end_at_least: float | None = None
) -> Verdict:
    """Passes at the bound and above, and where the interval's lower end is asked for with it."""
    answers = evidence.answers
    interval = share(answers.right, answers.groups)
    return Verdict(
        "accuracy",
        reaches(interval, at_least, lower_end_at_least),
        interval.value,
        bound_told(at_least, lower_end_at_least),
        f"{interval.value:.1%} of {len(answers)} test images are classified rightly "
        f"(95 % interval {interval.low:.1%} to {interval.high:.1%}){_luck(interval, at_least)}",
        sure=sureness(interval.value, at_least, interval.spread),
    )


def reaches(interval: Interval, at_least: float, lower_end_at_least: float | None) -> bool:
    """Whether the figure reaches its bound, and its lower end the other one, where there is one."""
    low = lower_end_at_least is None or interval.low >= lower_end_at_least
    return interval.value >= at_least and low


def bound_told(at_least: float, lower_end_at_least: float | None) -> str:
    """Both bounds in words."""
    low = "" if lower_end_at_least is None else f", lower end at least {lower_end_at_least:g}"
    return f"at least {at_least:g}{low}"


def _luck(interval: Interval, bound: float) -> str:
    """What a narrow pass is worth."""
    if not interval.value >= bound or not interval.spread > 0:
        return ""
    by_luck = (1 - erf(NEAR_MISS / interval.spread / sqrt(2))) / 2
    return (
        f"; with so many images a model that is truly at {bound - NEAR_MISS:.1%} would pass "
        f"{100 * by_luck:.0f} times in 100"
    )


CHECK = Check(
    question="Is it right often enough?",
    remedy="Look at the pictures that it gets wrong: more images of those classes, longer "
    "training or a larger image size help most.",
    judge=accuracy,
    bounds=(at_least("at_least"), at_least("lower_end_at_least", optional=True)),
)
