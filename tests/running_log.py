"""A request log over any database, for tests, and entries to put into it."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from sql import (
    Entry,
    LogSettings,
    PredictionRecord,
    RequestLog,
    RequestRecord,
)
from sql.schema import hourly, requests

START = datetime(2026, 1, 1, tzinfo=UTC)
PATIENCE = 300  # seconds: a database over a driver, on a loaded machine, moves 100 rows in each


StartLog = Callable[..., RequestLog]


def entry(number: int, **more: object) -> Entry:
    """A request of /predict with its prediction."""
    values: dict[str, Any] = {
        "id": f"{number:036d}",
        "at_utc": START,
        "method": "POST",
        "endpoint": "/predict",
        "status": 200,
        "latency_ms": 1.0,
        **more,
    }
    request = RequestRecord(**values)
    image = PredictionRecord(
        id=request.id,
        request_id=request.id,
        at_utc=request.at_utc,
        status=200,
        latency_ms=1.0,
        class_name="rust",
        confidence=0.5,
    )
    return Entry(request=request, predictions=(image,))


@pytest.fixture
def outbox_folder(tmp_path: Path) -> Path:
    return tmp_path / "outbox"


@pytest.fixture
def start_log(database: sa.Engine, outbox_folder: Path) -> Iterator[StartLog]:
    """Starts logs over the same folder, and closes them after the test."""
    logs: list[RequestLog] = []

    def start(**settings: object) -> RequestLog:
        logs.append(RequestLog(database, outbox_folder, LogSettings(**settings)))  # type: ignore[arg-type]
        return logs[-1]

    yield start
    for log in logs:
        log.close(1.0)


def stored_ids(engine: sa.Engine) -> list[str]:
    with engine.connect() as connection:
        return sorted(connection.scalars(sa.select(requests.c.id)))


def ids(numbers: range) -> list[str]:
    return [f"{number:036d}" for number in numbers]


def counted(engine: sa.Engine) -> int:
    """Requests as the hourly counts have them."""
    query = sa.select(sa.func.sum(hourly.c.answered)).where(
        hourly.c.dimension.in_(("endpoint", "endpoint/h"))
    )
    with engine.connect() as connection:
        return int(connection.scalar(query) or 0)
