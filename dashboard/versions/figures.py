"""Figures of a version's training run: which come first, and how one is written."""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeGuard

MISSING = "–"
ENDS = ("_low", "_high", "_sd")
FEATURES = r"(?:_(inception|lite0|classifier|pixels))?"
HEADLINES = (
    ("accuracy", "Accuracy", "higher"),
    ("macro_f1", "Macro F1", "higher"),
    ("ece", "Calibration error", "lower"),
    ("kid|kd", "Kernel distance", "lower"),
    ("fid|fd", "Fréchet distance", "lower"),
    ("coverage", "Coverage", "higher"),
    ("class_fidelity", "Class fidelity", "higher"),
    ("memorised_share", "Memorised share", "lower"),
)
# Of classifiers too: which stored form it was, not what it was measured with.
FORMS = ("test_accuracy_pixels", "test_accuracy_classifier")


@dataclass(frozen=True)
class Headline:
    """One of the figures that decide. better: `higher` or `lower`."""

    metric: str
    title: str
    better: str


def headlines(runs: Iterable[Mapping[str, float]]) -> tuple[Headline, ...]:
    """Those that any of the runs has logged, the weightiest first.

    Distances of generators measured with other features are other figures, and named so.
    """
    logged = sorted({name for metrics in runs for name in metrics})
    found = []
    for base, title, better in HEADLINES:
        for name in logged:
            match = re.fullmatch(rf"test_(?:{base}){FEATURES}", name)
            if match and name not in FORMS:
                told = f"{title} ({match[1]})" if match[1] else title
                found.append(Headline(name, told, better))
    return tuple(found)


def written(value: float | None) -> str:
    """A figure with as many digits as a person reads."""
    if not is_number(value):
        return MISSING
    if value == int(value) and abs(value) >= 1:
        return f"{value:,.0f}"
    if abs(value) >= 100:
        return f"{value:,.1f}"
    return f"{value:.2e}" if 0 < abs(value) < 0.001 else f"{value:.3f}"


def interval(metrics: Mapping[str, float], name: str) -> tuple[float, float] | None:
    """The 95 % interval that was logged with the figure, if there is one."""
    low, high = metrics.get(f"{name}_low"), metrics.get(f"{name}_high")
    return (low, high) if is_number(low) and is_number(high) else None


def with_interval(metrics: Mapping[str, float], name: str) -> str:
    """`0.814 (0.764 to 0.845)`; without an interval the figure alone, or its deviation."""
    value = metrics.get(name)
    ends, spread = interval(metrics, name), metrics.get(f"{name}_sd")
    if not is_number(value):
        return MISSING
    if ends:
        return f"{written(value)} ({written(ends[0])} to {written(ends[1])})"
    return f"{written(value)} (sd {written(spread)})" if is_number(spread) else written(value)


def is_number(value: object) -> TypeGuard[float]:
    """Whether it can be shown: what is no number came as null, or never."""
    return isinstance(value, int | float) and math.isfinite(value)
