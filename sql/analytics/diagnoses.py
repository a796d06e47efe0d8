"""What callers were told of their images: which classes, how surely, by which version, and when.

What a version in staging said beside the answer (a shadow) is in none of it.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from sql.analytics.counts import Asked, Counted, count
from sql.analytics.span import Span


@dataclass(frozen=True)
class Only:
    """What diagnoses are limited to: a version of the model; one user, or one source; a class.

    user, source: "" for those without. ValueError for both of them, which are not counted together.
    """

    version: int | None = None
    user: str | None = None
    source: str | None = None
    class_name: str | None = None

    def __post_init__(self) -> None:
        if self.user is not None and self.source is not None:
            raise ValueError("diagnoses of one user from one source: ask for one of the two")

    def asked(self, by: tuple[str, ...] = (), *, histogram: bool = False) -> Asked:
        """What is to be counted, told apart by `by`."""
        dimension, name = "class", None
        if self.user is not None:
            dimension, name = "class_user", self.user
        elif self.source is not None:
            dimension, name = "class_source", self.source
        names = None if name is None else (name,)
        return Asked(dimension, by, names, self.class_name, self.version, histogram)


@dataclass(frozen=True)
class ClassCount:
    """How often a class was answered, how often as unknown, and the mean confidence."""

    class_name: str
    count: int
    unknown: int
    mean_confidence: float


@dataclass(frozen=True)
class ClassVolume:
    """How often a class was answered in one bucket."""

    at: datetime
    class_name: str
    count: int


@dataclass(frozen=True)
class Confidences:
    """How sure the answers were. counts: of 50 bins from 0 to 1, each 0.02 wide; the last has 1.

    mean: NaN without answers.
    """

    counts: tuple[int, ...]
    mean: float

    @property
    def answers(self) -> int:
        """All of them."""
        return sum(self.counts)


@dataclass(frozen=True)
class Unknowns:
    """Answers of one bucket, and how many of them said that the image is none of the classes."""

    at: datetime
    answers: int
    unknown: int

    @property
    def share(self) -> float:
        """Of all answers."""
        return self.unknown / self.answers


EVERYTHING = Only()


def disease_frequency(
    engine: sa.Engine, span: Span, only: Only = EVERYTHING
) -> tuple[ClassCount, ...]:
    """How often each class was answered, most frequent first."""
    found = count(engine, span.whole, only.asked(by=("class_name",)))
    rows = [
        ClassCount(name, counted.answered, counted.unknown, _mean(counted))
        for (_, name), counted in found.items()
    ]
    return tuple(sorted(rows, key=lambda row: (-row.count, row.class_name)))


def diseases_over_time(
    engine: sa.Engine, span: Span, only: Only = EVERYTHING
) -> tuple[ClassVolume, ...]:
    """How often each class was answered in each bucket; empty buckets are left out."""
    found = count(engine, span.edges, only.asked(by=("class_name",)))
    return tuple(
        ClassVolume(span.starts[number], name, counted.answered)
        for (number, name), counted in sorted(found.items(), key=_by_key)
    )


def confidence_distribution(engine: sa.Engine, span: Span, only: Only = EVERYTHING) -> Confidences:
    """How sure the answers were."""
    found = count(engine, span.whole, only.asked(histogram=True))
    counted = next(iter(found.values()), Counted())
    return Confidences(tuple(counted.confidences().tolist()), _mean(counted))


def unknown_over_time(
    engine: sa.Engine, span: Span, only: Only = EVERYTHING
) -> tuple[Unknowns, ...]:
    """How many images were none of the classes; buckets without answers are left out."""
    found = count(engine, span.edges, only.asked())
    return tuple(
        Unknowns(span.starts[number], counted.answered, counted.unknown)
        for (number,), counted in sorted(found.items(), key=_by_key)
    )


def _mean(counted: Counted) -> float:
    return counted.confidence_sum / counted.answered if counted.answered else float("nan")


def _by_key(item: tuple[Any, Counted]) -> Any:  # noqa: ANN401 - a key of Found
    return item[0]
