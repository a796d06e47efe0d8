"""The request log: nothing recorded is lost or doubled, and nobody waits for the database."""

import asyncio
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from leafgate.errors import UserError
from sql import (
    Entry,
    LogSettings,
    OutboxFailed,
    PredictionRecord,
    RequestLog,
    RequestRecord,
    migrate,
    open_database,
)
from sql import mover as moving
from sql.outbox_folder import waiting_in
from sql.records import rows_of
from sql.schema import hourly, predictions, requests
from sql.set_aside import list_set_aside, retry_set_aside
from sql.storing import store, store_entries

START = datetime(2026, 1, 1, tzinfo=UTC)
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
def folder(tmp_path: Path) -> Path:
    return tmp_path / "outbox"


@pytest.fixture
def start_log(database: sa.Engine, folder: Path) -> Iterator[StartLog]:
    """Starts logs over the same folder, and closes them after the test."""
    logs: list[RequestLog] = []

    def start(**settings: object) -> RequestLog:
        logs.append(RequestLog(database, folder, LogSettings(**settings)))  # type: ignore[arg-type]
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


def test_all_rows_of_every_entry_are_stored_and_counted_and_closing_flushes(
    database: sa.Engine, start_log: StartLog
) -> None:
    log = start_log()
    for number in range(3000):
        log.record(entry(number))
    assert log.close()
    assert log.backlog == 0
    assert stored_ids(database) == ids(range(3000))
    with database.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(predictions)) == 3000
    assert counted(database) == 3000


def test_entries_are_moved_in_the_order_of_their_arrival(
    database: sa.Engine, start_log: StartLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    def watch(engine: sa.Engine, entries: list[Any]) -> None:
        seen.extend(each["requests"][0]["id"] for each in entries)
        store(engine, entries)

    monkeypatch.setattr(moving, "store", watch)
    log = start_log()
    for number in range(5000, 0, -1):
        log.record(entry(number))
    assert log.flush()
    assert seen == list(reversed(ids(range(1, 5001))))


WRITER = """
import sys, itertools
from pathlib import Path
from sql import RequestLog, open_database
from tests.unit.test_request_log import entry
log = RequestLog(open_database(sys.argv[1]), Path(sys.argv[2]))
for number in itertools.count(int(sys.argv[3])):
    log.record(entry(number)).result()
    print(number, flush=True)
"""


def test_what_was_confirmed_outlives_kill_9_and_is_stored_once(
    database: sa.Engine, database_url: str, folder: Path, start_log: StartLog
) -> None:
    confirmed: list[int] = []
    for turn in range(3):
        command = [sys.executable, "-c", WRITER, database_url, str(folder), str(turn * 100_000)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            confirmed += [int(process.stdout.readline()) for _ in range(400)]
            process.kill()
            confirmed += [int(line) for line in process.stdout if line.endswith("\n")]
    log = start_log()
    assert log.flush(30)
    found = stored_ids(database)
    assert set(found) >= {f"{number:036d}" for number in confirmed}
    assert len(found) == len(set(found)) == counted(database)


def test_a_database_that_is_away_delays_but_loses_and_doubles_nothing(
    database: sa.Engine, start_log: StartLog
) -> None:
    away = threading.Event()
    away.set()

    @sa.event.listens_for(database, "before_execute")
    def _refuse(*_: object) -> None:
        if away.is_set():
            raise OperationalError("INSERT", {}, Exception("server closed the connection"))

    log = start_log()
    for number in range(50):
        log.record(entry(number)).result(5)  # nobody waits
    assert not log.flush(timeout_seconds=0.7)
    assert log.backlog == 50
    assert log.oldest_age_seconds > 0.3
    assert "server closed" in str(log.problem)
    assert log.waiting_on_this_host().entries == 50
    away.clear()
    assert log.flush()
    assert log.close()
    assert log.problem is None
    assert stored_ids(database) == ids(range(50))


def test_a_database_that_is_full_gets_everything_once_there_is_room(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'small.db'}")
    migrate(engine)
    room = {"pages": 60}

    @sa.event.listens_for(engine, "checkout")
    def _bound(connection: Any, *_: object) -> None:
        connection.execute(f"PRAGMA max_page_count={room['pages']}")

    log = RequestLog(engine, tmp_path / "outbox")
    for number in range(300):
        log.record(entry(number)).result(5)
    assert not log.flush(timeout_seconds=1.5)
    assert "full" in str(log.problem)
    assert (log.set_aside, log.dropped) == (0, 0)
    room["pages"] = 100_000
    assert log.flush()
    assert log.close()
    assert stored_ids(engine) == ids(range(300))
    engine.dispose()


def test_an_entry_stored_already_is_neither_stored_nor_counted_twice(database: sa.Engine) -> None:
    store_entries(database, [entry(1), entry(2)])
    store_entries(database, [entry(2), entry(3), entry(3)])
    assert stored_ids(database) == ids(range(1, 4))
    assert counted(database) == 3


def test_an_entry_the_database_refuses_is_set_aside_with_its_reason_and_the_rest_go_in(
    database: sa.Engine, start_log: StartLog, folder: Path
) -> None:
    log = start_log()
    for number in range(1, 40):
        log.record(entry(number, status=None if number in (7, 30) else 200))
    assert log.flush()
    assert log.set_aside == 2
    assert stored_ids(database) == [
        each for each in ids(range(1, 40)) if each[-2:] not in ("07", "30")
    ]
    log.close()
    with sqlite3.connect(next(folder.glob("*.db"))) as file:
        kept = file.execute("SELECT body, error FROM set_aside ORDER BY number").fetchall()
    assert [rows_of(body)["requests"][0]["id"] for body, _ in kept] == [
        ids(range(n, n + 1))[0] for n in (7, 30)
    ]
    assert all("status" in error for _, error in kept)


def test_an_entry_that_fails_though_not_refused_does_not_block_the_others_for_ever(
    database: sa.Engine, start_log: StartLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moving, "BACK_OFF_SECONDS", (0.01,))

    def strange(engine: sa.Engine, entries: list[Any]) -> None:
        if any(each["requests"][0]["id"] == ids(range(5, 6))[0] for each in entries):
            raise OperationalError("INSERT", {}, Exception("internal error of the server"))
        store(engine, entries)

    monkeypatch.setattr(moving, "store", strange)
    log = start_log()
    for number in range(20):
        log.record(entry(number))
    for number in range(20, 60):  # later ones show that the database does take rows
        log.flush(0.2)
        log.record(entry(number))
    assert log.flush()
    assert log.set_aside == 1
    assert stored_ids(database) == [each for each in ids(range(60)) if each != ids(range(5, 6))[0]]


def test_who_no_longer_waits_for_an_entry_takes_nothing_from_the_others(
    database: sa.Engine, start_log: StartLog
) -> None:
    async def leave_early() -> None:
        task = asyncio.ensure_future(asyncio.wrap_future(log.record(entry(1))))
        await asyncio.sleep(0)
        task.cancel()

    log = start_log()
    for _ in range(20):
        asyncio.run(leave_early())
    log.record(entry(2)).result(5)
    assert log.flush()
    assert stored_ids(database) == ids(range(1, 3))


def test_at_its_limit_the_log_asks_to_refuse_requests_and_drops_nothing(
    start_log: StartLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moving, "GATHER_SECONDS", 60)
    log = start_log(limit=2)
    assert not log.is_full
    for number in range(3):  # one was under way when it filled up
        log.record(entry(number)).result(5)
    assert (log.is_full, log.backlog, log.dropped) == (True, 3, 0)
    assert log.flush()
    assert not log.is_full


def test_at_its_limit_the_log_counts_what_it_drops_where_serving_goes_first(
    start_log: StartLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moving, "GATHER_SECONDS", 60)
    log = start_log(limit=2, when_full="serve")
    for number in range(5):
        log.record(entry(number)).result(5)
    assert (log.is_full, log.backlog, log.dropped) == (False, 2, 3)


@pytest.mark.parametrize(("when_full", "dropped"), [("refuse", 0), ("serve", 1)])
def test_a_full_disk_is_told_and_passes(
    start_log: StartLog, database: sa.Engine, when_full: str, dropped: int
) -> None:
    log = start_log(when_full=when_full)
    file = log._outbox._writing
    (pages,) = file.execute("PRAGMA page_count").fetchone()
    file.execute(f"PRAGMA max_page_count={pages}")
    large = replace(entry(1).predictions[0], most_probable="x" * 200_000)
    future = log.record(Entry(request=entry(1).request, predictions=(large,)))
    if when_full == "refuse":
        with pytest.raises(OutboxFailed, match="full"):
            future.result(5)
    else:
        future.result(5)
    assert str(log.problem) == "the outbox cannot be written"
    assert log.dropped == dropped
    file.execute("PRAGMA max_page_count=100000")
    log.record(entry(2)).result(5)
    assert log.flush()
    assert log.problem is None
    assert stored_ids(database) == ids(range(2, 3))


def test_a_damaged_outbox_is_kept_for_a_person_and_another_one_begun(
    start_log: StartLog, folder: Path, database: sa.Engine
) -> None:
    folder.mkdir()
    (folder / "0.db").write_bytes(b"this was a database" * 500)
    log = start_log()
    log.record(entry(1)).result(5)
    assert log.flush()
    (kept,) = folder.glob("0.broken-*")
    assert kept.read_bytes().startswith(b"this was")


def test_processes_have_outboxes_of_their_own_and_inherit_those_of_the_dead(
    start_log: StartLog, folder: Path, database: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moving, "GATHER_SECONDS", 60)
    first, second = start_log(), start_log()
    assert len(list(folder.glob("*.db"))) == 2
    second.record(entry(1)).result(5)
    second._mover.stop(5)
    second._held.let_go()  # as if it had died with an entry
    assert waiting_in(folder).entries == 1
    first._mover._next_chores = 0.0
    first._outbox.wake()
    first.record(entry(2)).result(5)
    assert first.flush()
    for _ in range(100):
        if not waiting_in(folder).entries:
            break
        threading.Event().wait(0.1)
    assert stored_ids(database) == ids(range(1, 3))
    assert len(list(folder.glob("*.db"))) == 1


def test_text_longer_than_its_column_is_cut(database: sa.Engine) -> None:
    long = replace(entry(1).predictions[0], file_name="ü" * 999, error_code="x" * 99)
    store_entries(database, [Entry(request=entry(1).request, predictions=(long,))])
    with database.connect() as connection:
        row = connection.execute(sa.select(predictions)).one()
    assert (len(row.file_name), len(row.error_code)) == (255, 64)


def test_times_are_stored_in_utc_with_milliseconds(database: sa.Engine) -> None:
    east = timezone(timedelta(hours=2))
    moment = datetime(2026, 1, 1, 1, 30, 0, 123_987, east)
    store_entries(database, [entry(1, at_utc=moment)])
    with database.connect() as connection:
        stored = connection.scalar(sa.select(requests.c.at_utc))
        hour = connection.scalar(sa.select(hourly.c.hour_utc).limit(1))
    assert stored == datetime(2025, 12, 31, 23, 30, 0, 123_000)
    assert hour in (datetime(2025, 12, 31, 23), datetime(2026, 1, 1, 0))


def test_an_entry_of_another_version_is_taken_as_far_as_it_is_known(database: sa.Engine) -> None:
    text = entry(1).as_json().replace('"status":200', '"status":200,"colour":"green"')
    store(database, [rows_of(text.replace('"images":0,', ""))])
    with database.connect() as connection:
        assert connection.scalar(sa.select(requests.c.images)) == 0
    with pytest.raises(ValueError, match="not an entry"):
        rows_of("[]")


def test_what_was_set_aside_is_shown_and_tried_again_once_the_cause_is_gone(
    database: sa.Engine, start_log: StartLog, folder: Path
) -> None:
    log = start_log()
    log.record(entry(1, method=None))
    assert log.flush()
    (kept,) = list_set_aside(folder)
    assert "method" in kept.error
    with pytest.raises(UserError, match="belongs to a service"):
        retry_set_aside(folder)
    log.close()
    with sqlite3.connect(kept.file) as file:  # the cause is gone
        file.execute(
            'UPDATE set_aside SET body = replace(body, \'"method":null\', \'"method":"PUT"\')'
        )
    assert retry_set_aside(folder) == 1
    assert (waiting_in(folder).entries, waiting_in(folder).set_aside) == (1, 0)
    assert start_log().flush()
    assert stored_ids(database) == ids(range(1, 2))
