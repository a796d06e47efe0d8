"""The rows that counts are made of, with the columns that this takes."""

from typing import Any

import sqlalchemy as sa

from sql.schema import predictions, requests

_OF_REQUESTS = (
    *("at_utc", "endpoint", "status", "latency_ms", "user_name", "source", "images"),
    *("model_name", "model_version", "request_count"),
)
_OF_PREDICTIONS = (
    *("at_utc", "class_name", "lane", "confidence", "unknown"),
    *("model_name", "model_version"),
)


def counted_requests() -> sa.Select[Any]:
    """Rows for `sql.tallies.add_request`."""
    return sa.select(*(requests.c[name] for name in _OF_REQUESTS))


def counted_predictions() -> sa.Select[Any]:
    """Rows for `sql.tallies.add_prediction`."""
    return sa.select(*(predictions.c[name] for name in _OF_PREDICTIONS))


def with_their_requests(query: sa.Select[Any]) -> sa.Select[Any]:
    """Those of predictions, with `user_name` and `source` of requests that are there too."""
    of = requests.c.id == predictions.c.request_id
    joined = predictions.outerjoin(requests, of)
    return query.add_columns(requests.c.user_name, requests.c.source).select_from(joined)
