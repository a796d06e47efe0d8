"""Entries of the request log with a row in each table, and what of them is stored."""

from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from sql.pruning import PRUNED
from sql.records import (
    Entry,
    FeedbackRecord,
    GenerationRecord,
    PredictionRecord,
    RequestRecord,
)
from sql.schema import feedback, generations, hourly, predictions, requests
from sql.storing import store_entries
from sql.tallies import SETTLED_DAYS, SETTLED_HOURS

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
TABLES = (requests, predictions, generations, feedback)


def entry(number: int, at: datetime) -> Entry:
    """A request with a row in each table, all of the same time."""
    name = f"{number:08d}"
    return Entry(
        request=RequestRecord(
            id=name,
            at_utc=at,
            method="POST",
            endpoint="/predict",
            status=200,
            latency_ms=3.5,
            user_name="ada",
            source="10.0.0.1",
            images=1,
            model_name="leaf",
            model_version=1,
        ),
        predictions=(
            PredictionRecord(
                id=name,
                request_id=name,
                at_utc=at,
                status=200,
                latency_ms=3.5,
                model_name="leaf",
                model_version=1,
                class_name="rust",
                confidence=0.9,
                unknown=False,
            ),
        ),
        generation=GenerationRecord(id=name, at_utc=at, made=1),
        feedback=FeedbackRecord(id=name, at_utc=at, prediction_id=name, true_class="rust"),
    )


def fill(database: sa.Engine, moments: list[datetime]) -> None:
    store_entries(database, [entry(number, at) for number, at in enumerate(moments)])


def ids(database: sa.Engine, table: sa.Table = requests) -> list[str]:
    with database.connect() as connection:
        return list(connection.scalars(sa.select(table.c.id).order_by(table.c.id)))


def counts(database: sa.Engine) -> dict[Any, int]:
    """Answers by key and hour, over all parts, settled or not."""
    query = sa.select(hourly).where(hourly.c.dimension != PRUNED)
    query = query.where(hourly.c.dimension.not_like(f"%{SETTLED_DAYS}"))
    found: dict[Any, int] = {}
    with database.connect() as connection:
        for row in connection.execute(query):
            dimension = row.dimension.removesuffix(SETTLED_HOURS)
            key = (dimension, row.hour_utc, row.name, row.class_name, row.model_version)
            found[key] = found.get(key, 0) + row.answered
    return found
