"""The rows that counts are made of, with the columns that this takes."""

from typing import Any

import sqlalchemy as sa

from sql.schema import generations, predictions, requests

_OF_REQUESTS = (
    *("at_utc", "endpoint", "status", "latency_ms", "user_name", "source", "images"),
    *("model_name", "model_version", "request_count", "client"),
)
_OF_PREDICTIONS = (
    *("at_utc", "class_name", "lane", "confidence", "unknown"),
    *("model_name", "model_version", "explanation"),
)
_OF_READINGS = ("at_utc", "reader_name", "reader_version", "read_classes")


def counted_requests() -> sa.Select[Any]:
    """Rows for `sql.tallies.add_request`."""
    return sa.select(*(requests.c[name] for name in _OF_REQUESTS))


def counted_predictions() -> sa.Select[Any]:
    """Rows for `sql.tallies.add_prediction`."""
    return sa.select(*(predictions.c[name] for name in _OF_PREDICTIONS))


def counted_readings() -> sa.Select[Any]:
    """Rows for `sql.tallies.add_readings`."""
    query = sa.select(*(generations.c[name] for name in _OF_READINGS))
    return query.where(generations.c.read_classes.is_not(None))


def with_their_requests(query: sa.Select[Any]) -> sa.Select[Any]:
    """Those of predictions, with `user_name`, `source` and `endpoint` of requests that are there
    too.
    """
    of = requests.c.id == predictions.c.request_id
    joined = predictions.outerjoin(requests, of)
    more = (requests.c[name] for name in ("user_name", "source", "endpoint"))
    return query.add_columns(*more).select_from(joined)
