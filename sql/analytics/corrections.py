"""How often the answers were right, as far as people said so.

Who corrects an answer is no random sample: a wrong one is noticed and reported more readily than a
right one, and some users report more than others. So these are figures of the answers that got
feedback; they compare versions and classes, and are no estimate of the accuracy of all answers.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from leafgate.metrics.statistics import Interval, wilson
from sql.analytics.span import Span
from sql.connections import opened
from sql.schema import feedback, predictions
from sql.tallies import SHADOW, version_name

CLOCKS_APART = timedelta(days=1)  # feedback is not before its answer by more


@dataclass(frozen=True)
class Score:
    """How many of `answers` were right, and their share with its 95 % interval (Wilson's).

    name: of a class; or of a version, "model version".
    """

    name: str
    answers: int
    right: int
    share: Interval


@dataclass(frozen=True)
class Confusion:
    """How often `told` was said of what is `true`."""

    told: str
    true: str
    count: int


@dataclass(frozen=True)
class FeedbackAccuracy:
    """Answers with feedback against it. all: None without any.

    by_told: of each class that was answered, how many were it (precision); by_true: of each class
    that images show, how many were told so (recall); by_version; each the most answers first.
    """

    all: Score | None
    by_told: tuple[Score, ...]
    by_true: tuple[Score, ...]
    by_version: tuple[Score, ...]
    confusion: tuple[Confusion, ...]


Cell = tuple[str, str, str, int]  # told, true, version, count


def feedback_accuracy(engine: sa.Engine, span: Span, *, shadows: bool = False) -> FeedbackAccuracy:
    """Answers of the span against the newest feedback on each, whenever it came. Unlike the other
    figures it is read from the rows of `feedback`: the time it takes grows with their number.

    shadows: what a version in staging said beside those answers, instead of what was told.
    """
    if not span.edges:
        return _accuracy([])
    asked = [of_shadows(span.whole)] if shadows else [noted(span.whole), not_noted(span.whole)]
    with opened(engine) as connection:
        rows = [row for query in asked for row in connection.execute(query)]
    cells = [
        (told, true, version_name(model, number), int(count))
        for told, true, model, number, count in rows
    ]
    return _accuracy([cell for cell in cells if cell[-1]])


def noted(of: Sequence[datetime]) -> sa.Select[Any]:
    """Counts of told class, true class and version, where the answer is noted beside the
    feedback. of: from when to when; naive, in UTC.
    """
    told = feedback.c
    keys = (told.told_class, told.true_class, told.model_name, told.model_version)
    return (
        sa.select(*keys, sa.func.count())
        .where(
            *_since(of),
            told.told_class.is_not(None),
            told.told_at_utc >= of[0],
            told.told_at_utc < of[1],
            ~_newer(),
        )
        .group_by(*keys)
    )


def not_noted(of: Sequence[datetime]) -> sa.Select[Any]:
    """The same for feedback that was there before its answer, which is looked up."""
    joined = feedback.join(predictions, predictions.c.id == feedback.c.prediction_id)
    query = _compared(of, joined, predictions)
    return query.where(feedback.c.told_class.is_(None))


def of_shadows(of: Sequence[datetime]) -> sa.Select[Any]:
    """The same of what a version in staging said beside."""
    told = predictions.alias("shadows")
    beside = sa.and_(
        told.c.request_id == predictions.c.request_id,
        told.c.position == predictions.c.position,
        told.c.lane == SHADOW,
    )
    joined = feedback.join(predictions, predictions.c.id == feedback.c.prediction_id)
    return _compared(of, joined.join(told, beside), told)


def _compared(of: Sequence[datetime], joined: sa.FromClause, told: sa.FromClause) -> sa.Select[Any]:
    at, lane = predictions.c.at_utc, predictions.c.lane
    # Not as a condition: SQLite, which knows little of its tables, would go through all answers of
    # the span, rather than look up those that have feedback.
    within = sa.case((sa.and_(at >= of[0], at < of[1]), 1), else_=0)
    keys = (told.c.class_name, feedback.c.true_class, told.c.model_name, told.c.model_version)
    return (
        sa.select(*keys, sa.func.sum(within))
        .select_from(joined)
        .where(
            *_since(of),
            ~_newer(),
            sa.or_(lane.is_(None), lane != SHADOW),
            told.c.class_name.is_not(None),
        )
        .group_by(*keys)
    )


def _since(of: Sequence[datetime]) -> tuple[sa.ColumnElement[bool]]:
    return (feedback.c.at_utc >= of[0] - CLOCKS_APART,)


def _newer() -> sa.Exists:
    """Feedback on the same answer that came later."""
    other = feedback.alias("other")
    later = sa.and_(other.c.at_utc == feedback.c.at_utc, other.c.id > feedback.c.id)
    return sa.exists().where(
        other.c.prediction_id == feedback.c.prediction_id,
        sa.or_(other.c.at_utc > feedback.c.at_utc, later),
    )


def _accuracy(cells: list[Cell]) -> FeedbackAccuracy:
    whole = _scores(cells, lambda cell: "")
    confusion: dict[tuple[str, str], int] = defaultdict(int)
    for told, true, _, count in cells:
        confusion[told, true] += count
    return FeedbackAccuracy(
        whole[0] if whole else None,
        _scores(cells, lambda cell: cell[0]),
        _scores(cells, lambda cell: cell[1]),
        _scores(cells, lambda cell: cell[2]),
        tuple(Confusion(*pair, count) for pair, count in sorted(confusion.items())),
    )


def _scores(cells: Iterable[Cell], name_of: Callable[[Cell], str]) -> tuple[Score, ...]:
    found: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for cell in cells:
        told, true, _, count = cell
        found[name_of(cell)][0] += count
        found[name_of(cell)][1] += count if told == true else 0
    ranked = sorted(found.items(), key=lambda item: (-item[1][0], item[0]))
    return tuple(Score(name, n, right, wilson(right, n)) for name, (n, right) in ranked)
