"""The latest requests, page by page."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from sql.connections import opened
from sql.records import EXPLAIN, naive_utc
from sql.schema import predictions, requests

MOST_ROWS = 1000


@dataclass(frozen=True)
class LoggedRequest:
    """One row of the log. request_count: the requests that it stands for; class_name, confidence:
    what the only image of a request was diagnosed as, if it was; an explanation is no diagnosis.
    """

    id: str
    at: datetime
    endpoint: str
    status: int
    latency_ms: float
    user_name: str | None
    source: str | None
    images: int
    model_version: int | None
    error_code: str | None
    request_count: int
    client: str | None
    class_name: str | None
    confidence: float | None


COLUMNS = (
    *("id", "at_utc", "endpoint", "status", "latency_ms", "user_name", "source", "images"),
    *("model_version", "error_code", "request_count", "client"),
)


def recent_requests(
    engine: sa.Engine, limit: int = 50, before: LoggedRequest | None = None
) -> tuple[LoggedRequest, ...]:
    """The newest requests, newest first; or those that come after the last row of a page.

    limit: at most 1,000.
    """
    if not 0 < limit <= MOST_ROWS:
        raise ValueError(f"a limit of {limit} requests: between 1 and {MOST_ROWS}")
    with opened(engine) as connection:
        rows = connection.execute(newest(limit, before)).all()
        told = _told(connection, [row.id for row in rows if row.endpoint != EXPLAIN])
    return tuple(
        LoggedRequest(row[0], row[1].replace(tzinfo=UTC), *row[2:], *told.get(row[0], (None, None)))
        for row in rows
    )


def newest(limit: int, before: LoggedRequest | None) -> sa.Select[Any]:
    """Their rows, in the order of the index on the time."""
    at, identifier = requests.c.at_utc, requests.c.id
    query = sa.select(*(requests.c[name] for name in COLUMNS))
    query = query.order_by(at.desc(), identifier.desc()).limit(limit)
    if before is None:
        return query
    last = naive_utc(before.at)
    earlier = sa.or_(at < last, sa.and_(at == last, identifier < before.id))
    return query.where(at <= last, earlier)  # the first is what an index is asked for


def _told(connection: sa.Connection, ids: list[str]) -> dict[str, tuple[str, float]]:
    """Class and confidence by the id of requests with one image, which is the prediction's too."""
    columns = (predictions.c.id, predictions.c.class_name, predictions.c.confidence)
    query = sa.select(*columns).where(predictions.c.id.in_(ids))
    return {identifier: (name, sure) for identifier, name, sure in connection.execute(query)}
