"""The outbox: full, damaged, shared and inherited; what is confirmed is in a file."""

import asyncio
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing, suppress
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
from tests.running_log import PATIENCE, StartLog, entry, ids, stored_ids


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
    assert log.flush(PATIENCE)
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
    assert log.flush(PATIENCE)
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
    assert log.flush(PATIENCE)
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
    assert log.flush(PATIENCE)
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
    assert first.flush(PATIENCE)
    for _ in range(100):
        if not waiting_in(outbox_folder).entries:
            break
        threading.Event().wait(0.1)
    assert stored_ids(database) == ids(range(1, 3))
    assert len(list(outbox_folder.glob("*.db"))) == 1


def remove(file: Path, *endings: str) -> None:
    for ending in endings:
        file.with_name(f"{file.name}{ending}").unlink(missing_ok=True)


def bodies(folder: Path) -> list[str]:
    """Of the entries that another process finds in the folder."""
    code = (
        "import sqlite3, sys\n"
        "query = 'SELECT body FROM entries ORDER BY number'\n"
        "for file in sys.argv[1:]:\n"
        "    for body, in sqlite3.connect(file).execute(query): print(body)"
    )
    command = [sys.executable, "-c", code, *map(str, sorted(folder.glob("*.db")))]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def replace_with_copy(folder: Path) -> None:
    """As somebody restores a backup."""
    with (
        closing(sqlite3.connect(folder / "0.db")) as source,
        closing(sqlite3.connect(folder / "copy")) as copy,
    ):
        source.backup(copy)
    (folder / "copy").replace(folder / "0.db")


LOSSES: dict[str, Callable[[Path], object]] = {
    "the file": lambda folder: remove(folder / "0.db", ""),
    "the file and its log": lambda folder: remove(folder / "0.db", "", "-wal", "-shm"),
    "its log": lambda folder: remove(folder / "0.db", "-wal"),
    "its log and index": lambda folder: remove(folder / "0.db", "-wal", "-shm"),
    "the folder": shutil.rmtree,
    "the folder, moved": lambda folder: folder.rename(folder.with_name("elsewhere")),
    "the file, replaced": replace_with_copy,
}


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("noticed", ["append", "look", "close"])
def test_an_outbox_that_is_deleted_under_the_process_is_written_anew_with_all_it_held(
    outbox_folder: Path, loss: str, noticed: str
) -> None:
    held = take_outbox(outbox_folder)
    outbox, sent = held.outbox, [f"body-{number}" for number in range(50)]
    for body in sent[:30]:
        outbox.append(body).result(5)
    outbox.remove(outbox.first(10))
    LOSSES[loss](outbox_folder)
    if noticed == "append":
        for body in sent[30:]:
            outbox.append(body).result(5)
        outbox.remove(outbox.first(5))  # by the numbers that they had
        sent = sent[5:]
    elif noticed == "look":
        outbox.look()
        outbox.try_to_write().result(5)
        sent = sent[:30]
    else:
        held.let_go()
        sent = sent[:30]
    found = bodies(outbox_folder)
    if loss in ("the file", "the file and its log", "the folder", "the folder, moved"):
        assert found == sent[10:]
    assert set(found) >= set(sent[10:])  # what is left of the old file may have some of them, too
    if noticed != "close":
        assert outbox.waiting == len(sent[10:])
        assert [each.body for each in outbox.first(100)] == sent[10:]
        again = take_outbox(outbox_folder)  # it is still this process's alone
        assert again.outbox.file != outbox.file
        again.let_go()
        held.let_go()


def test_entries_whose_outbox_cannot_be_written_anew_are_refused(
    outbox_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = take_outbox(outbox_folder)
    held.outbox.append("one").result(5)
    remove(outbox_folder / "0.db", "", "-wal", "-shm")

    def full() -> Path:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as fault:
        fault.setattr(held.outbox, "_new_place", full)
        with pytest.raises(OutboxFailed, match="No space"):
            held.outbox.append("two").result(5)
    held.outbox.append("three").result(5)
    assert {"one", "three"} <= set(bodies(outbox_folder))
    held.let_go()
