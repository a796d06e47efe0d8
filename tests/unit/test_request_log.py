"""The request log: nothing recorded is lost or doubled, and nobody waits for the database."""

import sqlite3
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from leafgate.errors import UserError
from sql import (
    RequestLog,
    migrate,
    open_database,
)
from sql import mover as moving
from sql.outbox_folder import waiting_in
from sql.records import rows_of
from sql.schema import predictions
from sql.set_aside import list_set_aside, retry_set_aside
from sql.storing import store
from tests.running_log import PATIENCE, StartLog, counted, entry, ids, stored_ids


def test_all_rows_of_every_entry_are_stored_and_counted_and_closing_flushes(
    database: sa.Engine, start_log: StartLog
) -> None:
    log = start_log()
    for number in range(3000):
        log.record(entry(number))
    assert log.close(PATIENCE)
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
    assert log.flush(PATIENCE)
    assert seen == list(reversed(ids(range(1, 5001))))


WRITER = """
import sys, itertools
from pathlib import Path
from sql import RequestLog, open_database
from tests.running_log import entry
log = RequestLog(open_database(sys.argv[1]), Path(sys.argv[2]))
for number in itertools.count(int(sys.argv[3])):
    log.record(entry(number)).result()
    print(number, flush=True)
"""


def test_what_was_confirmed_outlives_kill_9_and_is_stored_once(
    database: sa.Engine, database_url: str, outbox_folder: Path, start_log: StartLog
) -> None:
    confirmed: list[int] = []
    for turn in range(3):
        command = [
            sys.executable,
            "-c",
            WRITER,
            database_url,
            str(outbox_folder),
            str(turn * 100_000),
        ]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            confirmed += [int(process.stdout.readline()) for _ in range(400)]
            process.kill()
            confirmed += [int(line) for line in process.stdout if line.endswith("\n")]
    log = start_log()
    assert log.flush(PATIENCE)
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
    assert log.flush(PATIENCE)
    assert log.close(PATIENCE)
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
    assert log.flush(PATIENCE)
    assert log.close(PATIENCE)
    assert stored_ids(engine) == ids(range(300))
    engine.dispose()


def test_an_entry_the_database_refuses_is_set_aside_with_its_reason_and_the_rest_go_in(
    database: sa.Engine, start_log: StartLog, outbox_folder: Path
) -> None:
    log = start_log()
    for number in range(1, 40):
        log.record(entry(number, status=None if number in (7, 30) else 200))
    assert log.flush(PATIENCE)
    assert log.set_aside == 2
    assert stored_ids(database) == [
        each for each in ids(range(1, 40)) if each[-2:] not in ("07", "30")
    ]
    log.close()
    with sqlite3.connect(next(outbox_folder.glob("*.db"))) as file:
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
    assert log.flush(PATIENCE)
    assert log.set_aside == 1
    assert stored_ids(database) == [each for each in ids(range(60)) if each != ids(range(5, 6))[0]]


def test_what_was_set_aside_is_shown_and_tried_again_once_the_cause_is_gone(
    database: sa.Engine, start_log: StartLog, outbox_folder: Path
) -> None:
    log = start_log()
    log.record(entry(1, method=None))
    assert log.flush(PATIENCE)
    (kept,) = list_set_aside(outbox_folder)
    assert "method" in kept.error
    with pytest.raises(UserError, match="belongs to a service"):
        retry_set_aside(outbox_folder)
    log.close()
    with sqlite3.connect(kept.file) as file:  # the cause is gone
        file.execute(
            'UPDATE set_aside SET body = replace(body, \'"method":null\', \'"method":"PUT"\')'
        )
    assert retry_set_aside(outbox_folder) == 1
    assert (waiting_in(outbox_folder).entries, waiting_in(outbox_folder).set_aside) == (1, 0)
    assert start_log().flush(PATIENCE)
    assert stored_ids(database) == ids(range(1, 2))
