"""The outbox: full, damaged, shared and inherited; what is confirmed is in a file."""

import asyncio
import sqlite3
import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from sql import (
    Entry,
    OutboxFailed,
)
from sql import mover as moving
from sql.outbox_folder import take_outbox, waiting_in
from tests.running_log import StartLog, entry, ids, stored_ids


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
    large = replace(entry(1).predictions[0], most_probable="x" * 1500)
    future = log.record(Entry(request=entry(1).request, predictions=(large,) * 64))
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


@pytest.mark.parametrize("broken", ["_look_at_the_oldest", "_write_all"])
def test_whatever_fails_while_it_writes_is_told_to_those_who_wait_and_ends_nothing(
    outbox_folder: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    outbox = take_outbox(outbox_folder).outbox

    def fail(*_: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    outbox.append("{}").result(5)
    with monkeypatch.context() as fault:
        fault.setattr(outbox, broken, fail)
        with suppress(OutboxFailed):
            outbox.remove(outbox.first(1))
    outbox.append("{}").result(5)
    outbox.remove(outbox.first(2))
    assert outbox.is_empty
    outbox.close()


def test_a_damaged_outbox_is_kept_for_a_person_and_another_one_begun(
    start_log: StartLog, outbox_folder: Path, database: sa.Engine
) -> None:
    outbox_folder.mkdir()
    (outbox_folder / "0.db").write_bytes(b"this was a database" * 500)
    log = start_log()
    log.record(entry(1)).result(5)
    assert log.flush()
    (kept,) = outbox_folder.glob("0.broken-*")
    assert kept.read_bytes().startswith(b"this was")


def test_processes_have_outboxes_of_their_own_and_inherit_those_of_the_dead(
    start_log: StartLog, outbox_folder: Path, database: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moving, "GATHER_SECONDS", 60)
    first, second = start_log(), start_log()
    assert len(list(outbox_folder.glob("*.db"))) == 2
    second.record(entry(1)).result(5)
    second._mover.stop(5)
    second._held.let_go()  # as if it had died with an entry
    assert waiting_in(outbox_folder).entries == 1
    first._mover._next_chores = 0.0
    first._outbox.wake()
    first.record(entry(2)).result(5)
    assert first.flush()
    for _ in range(100):
        if not waiting_in(outbox_folder).entries:
            break
        threading.Event().wait(0.1)
    assert stored_ids(database) == ids(range(1, 3))
    assert len(list(outbox_folder.glob("*.db"))) == 1
