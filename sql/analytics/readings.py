"""What classifiers read in generated pictures. It is an opinion of pictures that show no leaf, and
stands apart: none of it is in the diagnoses.
"""

from dataclasses import dataclass

import sqlalchemy as sa

from sql.analytics.counts import Asked, count
from sql.analytics.span import Span
from sql.tallies import READING


@dataclass(frozen=True)
class ReadCount:
    """Generated pictures that one version of a classifier read as one class.

    class_name: None for the classes that one request read beyond those that the log names; unknown:
    pictures unlike every training image.
    """

    model_name: str
    version: int | None
    class_name: str | None
    pictures: int
    unknown: int
    mean_confidence: float


def read_frequency(engine: sa.Engine, span: Span) -> tuple[ReadCount, ...]:
    """How often each class was read in generated pictures, by which version; most often first."""
    by = ("name", "model_version", "class_name")
    found = count(engine, span.whole, Asked(READING, by))
    rows = [
        ReadCount(
            *(name, version, class_name, counted.answered, counted.unknown),
            counted.confidence_sum / counted.answered,
        )
        for (_, name, version, class_name), counted in found.items()
        if counted.answered
    ]
    return tuple(sorted(rows, key=_order))


def _order(row: ReadCount) -> tuple[object, ...]:
    return -row.pictures, row.model_name, -(row.version or 0), row.class_name or ""
