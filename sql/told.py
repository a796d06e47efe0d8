"""What had been told of an image that somebody corrects, noted beside the correction."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from sql.by_ids import rows_by_ids
from sql.records import Row, Rows
from sql.schema import predictions
from sql.tallies import was_told

_NEEDED = ("id", "at_utc", "class_name", "lane", "model_name", "model_version")


def with_what_was_told(connection: sa.Connection, entries: Sequence[Rows]) -> list[Row]:
    """The rows of `feedback` in the entries, filled in from predictions that are stored, or about
    to be. Of a prediction that comes later nothing is noted.
    """
    corrections = [row for entry in entries for row in entry.get("feedback", ())]
    if not corrections:
        return []
    told: dict[str, Mapping[str, Any]] = {
        row["id"]: row for entry in entries for row in entry.get("predictions", ())
    }
    told |= _stored(connection, sorted({row["prediction_id"] for row in corrections} - told.keys()))
    return [{**row, **noted(told.get(row["prediction_id"]))} for row in corrections]


def noted(answer: Mapping[str, Any] | None) -> Row:
    """What is noted of a row of `predictions`: nothing, if it was told to nobody."""
    if answer is None or not was_told(answer):
        return {}
    return {
        "told_at_utc": answer["at_utc"],
        "told_class": answer["class_name"],
        "model_name": answer["model_name"],
        "model_version": answer["model_version"],
    }


def _stored(connection: sa.Connection, ids: Sequence[str]) -> dict[str, Mapping[str, Any]]:
    query = sa.select(*(predictions.c[name] for name in _NEEDED))
    found = rows_by_ids(connection, query, predictions.c.id, ids)
    return {row["id"]: dict(row) for row in found}
