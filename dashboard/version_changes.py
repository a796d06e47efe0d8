"""When a version began to answer, or took over from another: what a chart over time marks.

Several versions may answer beside each other, each its share, so that the first answer of one in a
span is no news by itself; and a version that is rolled back to has answered before. Both are told
by silence: where a version has no answers for longer than, with its share, could be chance.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sql.analytics import Seen, VersionVolume

CHANCE = 0.001
MOST_SHARE = 0.99  # so that one answer by another is no change yet


@dataclass(frozen=True)
class Change:
    """A version from some time on. again: it had answered before; several: other models changed in
    that time too, so that the label names its own.
    """

    at: datetime
    model: str
    version: int
    again: bool = False
    several: bool = False

    @property
    def label(self) -> str:
        """For beside a line in a chart."""
        name = f"{self.model} v{self.version}" if self.several else f"v{self.version}"
        return f"{name} takes over" if self.again else name

    @property
    def sentence(self) -> str:
        """For people who do not see the chart."""
        what = "takes over" if self.again else "first answers"
        return f"{self.model} version {self.version} {what} at {self.at:%Y-%m-%d %H:%M} UTC"


def version_changes(seen: Sequence[Seen], volumes: Sequence[VersionVolume]) -> tuple[Change, ...]:
    """Changes within a span, oldest first. seen, volumes: of that span, by sql.analytics."""
    found: list[Change] = []
    for model in sorted({each.model_name for each in seen}):
        versions = [each for each in seen if each.model_name == model]
        of_model = [each for each in volumes if each.model_name == model]
        first = {each.version: each.first for each in versions}
        found += [
            Change(each.first, model, each.version)
            for each in versions
            if _is_new(each, versions, of_model)
        ]
        found += [
            Change(at, model, version, again=True)
            for at, version, silent_since in _successions(of_model)
            if first.get(version, at) < silent_since
        ]
    several = len({change.model for change in found}) > 1
    named = [replace(each, several=several) for each in found]
    return tuple(sorted(named, key=lambda each: (each.at, each.model, each.version)))


def _is_new(one: Seen, versions: Sequence[Seen], volumes: Sequence[VersionVolume]) -> bool:
    """Whether a version did not answer before its first answer in the span: others did, and either
    had all ended by then, or it was silent beside them for longer than by chance.
    """
    others = [each for each in versions if each.first < one.first]
    if not others or all(each.last < one.first for each in others):
        return bool(others)
    own = [each for each in volumes if each.version == one.version]
    if not own:
        return False
    since = own[0].at
    before = sum(each.requests for each in volumes if each.at < since)
    # In its first bucket others may have answered most of the time.
    later = [each for each in volumes if each.at > since] or own[:1]
    of_later = sum(each.requests for each in later if each.version == one.version)
    return _is_no_chance(of_later / sum(each.requests for each in later), before)


def _is_no_chance(share: float, others: int) -> bool:
    """Whether so many answers by others, and none by a version of that share, tell something."""
    return others * math.log1p(-min(share, MOST_SHARE)) < math.log(CHANCE)


def _successions(volumes: Sequence[VersionVolume]) -> list[tuple[datetime, int, datetime]]:
    """Where one version took over from another: from which bucket on, which, and the last bucket
    in which the other answered. volumes: of one model, in the order of time.
    """
    buckets: dict[datetime, dict[int, int]] = {}
    for each in volumes:
        buckets.setdefault(each.at, {})[each.version] = each.requests
    found: list[tuple[datetime, int, datetime]] = []
    reign: _Reign | None = None
    for at, counts in buckets.items():
        if reign is None:
            reign = _Reign(_most(counts), at)
        if reign.is_over(at, counts):
            found.append((reign.silent_from, _most(reign.without), reign.last))
            reign = _Reign(found[-1][1], at).after(reign)
    return found


class _Reign:
    """Of the version that answers most: its share so far, and what is answered without it."""

    def __init__(self, version: int, at: datetime) -> None:
        self.version, self.last, self.silent_from = version, at, at
        self.own = self.all = 0
        self.without: dict[int, int] = {}

    def after(self, other: "_Reign") -> "_Reign":
        """The same, with what was answered while the other was silent."""
        self.own, self.all = other.without[self.version], sum(other.without.values())
        return self

    def is_over(self, at: datetime, counts: dict[int, int]) -> bool:
        """Whether, with one more bucket, its silence is no chance any more."""
        if self.version in counts:
            self.last, self.without = at, {}
            self.own += counts[self.version]
            self.all += sum(counts.values())
            return False
        if not self.without:
            self.silent_from = at
        for version, count in counts.items():
            self.without[version] = self.without.get(version, 0) + count
        return _is_no_chance(self.own / self.all, sum(self.without.values()))


def _most(counts: dict[int, int]) -> int:
    return max(counts, key=lambda version: (counts[version], version))
