"""The bake time: a version just promoted is watched, and taken back where it does worse.

It is compared with the version before it, as that did just before the change. Shares are judged by
the lower end of their 95 % Wilson interval (Wilson 1927), so that a handful of odd pictures does
not undo a promotion; a version without enough requests is not judged at all.
"""

import math
import time
from dataclasses import dataclass
from typing import NamedTuple

from leafgate.settings import Settings
from serving.tally import Figures, Tally

Z = 1.96  # 95 %


@dataclass(frozen=True)
class Bounds:
    """How much worse the new version may do, and for how long it is watched."""

    minutes: float
    images: int
    error_points: float
    unknown_points: float
    latency_ratio: float

    @classmethod
    def of(cls, settings: Settings) -> "Bounds":
        """From the settings `bake_…`."""
        return cls(
            settings.bake_minutes,
            settings.bake_images,
            settings.bake_error_points,
            settings.bake_unknown_points,
            settings.bake_latency_ratio,
        )


class Verdict(NamedTuple):
    """Which bound was passed, and in words."""

    bound: str
    reason: str


class Bake:
    """One promotion under watch. before: how the old version did until then."""

    def __init__(self, bounds: Bounds, before: Figures, tally: Tally) -> None:
        self.bounds, self.before, self._tally = bounds, before, tally
        self._until = time.monotonic() + bounds.minutes * 60

    @property
    def is_over(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() > self._until

    def verdict(self) -> Verdict | None:
        """Why the new version should go back, if it should."""
        return judge(self.bounds, self.before, self._tally.figures())


def judge(bounds: Bounds, before: Figures, now: Figures) -> Verdict | None:
    """The first bound that is passed, most serious first."""
    if now.images < bounds.images:
        return None
    worse = _more(before.failed, before.images, now.failed, now.images, bounds.error_points)
    if worse:
        return Verdict("errors", f"it fails on {worse}")
    if before.images < bounds.images:  # nothing to compare with
        return None
    worse = _more(before.unknown, before.images, now.unknown, now.images, bounds.unknown_points)
    if worse:
        return Verdict("unknown", f"it calls unknown {worse}")
    if before.milliseconds and now.milliseconds:
        ratio = now.milliseconds / before.milliseconds
        if ratio > bounds.latency_ratio:
            told = f"an image takes {now.milliseconds:.1f} ms, {ratio:.1f} times as long as before"
            return Verdict("latency", f"{told}; the bound is {bounds.latency_ratio:g}")
    return None


def _more(was: int, of: int, now: int, images: int, points: float) -> str:
    """In words, where the share now is surely more than `points` of a hundred over the one before.

    Empty where it is not.
    """
    old = was / of if of else 0.0
    if lowest(now, images) <= old + points / 100:
        return ""
    share = f"{now / images:.1%} of {images} images"
    return f"{share}, the version before on {old:.1%}; the bound is {points:g} points more"


def lowest(count: int, of: int) -> float:
    """Lower end of the 95 % Wilson interval of a share."""
    share = count / of
    middle = share + Z**2 / (2 * of)
    spread = Z * math.sqrt(share * (1 - share) / of + Z**2 / (4 * of**2))
    return max((middle - spread) / (1 + Z**2 / of), 0.0)
