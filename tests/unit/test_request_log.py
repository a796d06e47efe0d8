"""The request log's writer: nothing is lost or doubled, and nobody waits for the database."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from sql import RequestLog, RequestRecord, migrate, open_database
from sql.request_log import insert_requests
from sql.schema import requests


def record(number: int, **more: object) -> RequestRecord:
    values: dict[str, Any] = {
        "id": f"{number:036d}",
        "at_utc": datetime(2026, 1, 1, tzinfo=UTC),
        "method": "POST",
        "endpoint": "/predict",
        "status": 200,
        "latency_ms": 1.0,
        **more,
    }
    return RequestRecord(**values)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[sa.Engine]:
    engine = open_database(f"sqlite:///{tmp_path / 'deep' / 'log.db'}")
    migrate(engine)
    yield engine
    engine.dispose()


def stored_ids(engine: sa.Engine) -> list[str]:
    with engine.connect() as connection:
        return list(
            connection.scalars(sa.select(requests.c.id).order_by(sa.literal_column("rowid")))
        )


def test_every_record_is_stored_in_order_and_closing_flushes(database: sa.Engine) -> None:
    log = RequestLog(database)
    wanted = [record(number) for number in range(1200)]
    for item in wanted:
        log.record(item)
    assert log.close()
    assert log.backlog == 0
    assert stored_ids(database) == [item.id for item in wanted]


def test_a_database_that_is_away_delays_but_loses_and_doubles_nothing(
    database: sa.Engine,
) -> None:
    away = threading.Event()
    away.set()

    @sa.event.listens_for(database, "before_execute")
    def _refuse(*_: object) -> None:
        if away.is_set():
            raise OperationalError("INSERT", {}, Exception("server closed the connection"))

    log = RequestLog(database)
    for number in range(50):
        log.record(record(number))
    assert not log.flush(timeout_seconds=0.5)
    assert log.backlog == 50
    assert log.oldest_age_seconds > 0.3
    away.clear()
    assert log.close()
    assert stored_ids(database) == [f"{number:036d}" for number in range(50)]


def test_a_record_stored_already_is_not_stored_twice(database: sa.Engine) -> None:
    insert_requests(database, [record(1), record(2)])
    insert_requests(database, [record(2), record(3), record(3)])
    assert stored_ids(database) == [f"{number:036d}" for number in (1, 2, 3)]


def test_a_record_the_database_refuses_is_set_aside_and_the_rest_go_in(
    database: sa.Engine,
) -> None:
    log = RequestLog(database)
    log.record(record(1))
    log.record(record(2, status=None))
    log.record(record(3))
    assert log.close()
    assert log.set_aside == 1
    assert stored_ids(database) == [f"{number:036d}" for number in (1, 3)]


def test_text_longer_than_its_column_is_cut(database: sa.Engine) -> None:
    insert_requests(database, [record(1, file_name="ü" * 999, error_code="x" * 99)])
    with database.connect() as connection:
        row = connection.execute(sa.select(requests)).one()
    assert (len(row.file_name), len(row.error_code)) == (255, 64)


def test_beyond_its_limit_the_queue_counts_what_it_drops(database: sa.Engine) -> None:
    log = RequestLog(database, limit=0)
    log.record(record(1))
    assert (log.dropped, log.backlog) == (1, 0)
    log.close()


def test_times_are_stored_in_utc_with_milliseconds(database: sa.Engine) -> None:
    from datetime import timedelta, timezone

    east = timezone(timedelta(hours=2))
    moment = datetime(2026, 1, 1, 1, 30, 0, 123_987, east)
    insert_requests(database, [record(1, at_utc=moment)])
    with database.connect() as connection:
        stored = connection.scalar(sa.select(requests.c.at_utc))
    assert stored == datetime(2025, 12, 31, 23, 30, 0, 123_000)
