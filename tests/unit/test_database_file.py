"""A SQLite file that is deleted, moved or replaced under a running service loses nothing."""

import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from leafgate.errors import UserError
from sql import RequestLog, answering, mover, open_database
from sql.schema import requests
from tests.running_log import counted, entry, ids, stored_ids


@pytest.fixture
def file(migrated_file: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(migrated_file, tmp_path / "log ?#%.db"))


@pytest.fixture
def engine(file: Path) -> Iterator[sa.Engine]:
    opened = open_database(sa.URL.create("sqlite", database=str(file)).render_as_string())
    yield opened
    opened.dispose()


@pytest.fixture
def log(engine: sa.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RequestLog]:
    monkeypatch.setattr(mover, "BACK_OFF_SECONDS", (0.01,))
    opened = RequestLog(engine, tmp_path / "outbox")
    yield opened
    opened.close(1.0)


def remove(file: Path, *endings: str) -> None:
    for ending in endings:
        file.with_name(f"{file.name}{ending}").unlink(missing_ok=True)


def record(log: RequestLog, numbers: range) -> None:
    for number in numbers:
        log.record(entry(number)).result(5)


def in_file(file: Path) -> list[str]:
    """The ids that another process finds there."""
    code = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); "
        "print(*(i for i, in c.execute('SELECT id FROM requests ORDER BY id')))"
    )
    done = subprocess.run([sys.executable, "-c", code, file], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.parametrize("endings", [("",), ("", "-wal", "-shm")])
def test_what_is_recorded_after_the_file_was_deleted_waits_for_one(
    log: RequestLog, engine: sa.Engine, file: Path, migrated_file: Path, endings: tuple[str, ...]
) -> None:
    record(log, range(10))
    assert log.flush()
    remove(file, *endings)
    record(log, range(10, 20))
    assert not log.flush(0.5)
    assert (log.backlog, log.dropped, log.set_aside) == (10, 0, 0)
    assert "gone" in str(log.problem)
    assert not file.exists()  # no empty one takes its place
    shutil.copy(migrated_file, file)  # a person restores one
    assert log.flush()
    assert in_file(file) == ids(range(10, 20))
    deadline = time.monotonic() + 5
    while log.problem is not None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert log.problem is None


def test_a_file_that_is_moved_away_and_back_has_every_row_once(
    log: RequestLog, engine: sa.Engine, file: Path, tmp_path: Path
) -> None:
    record(log, range(10))
    assert log.flush()
    away = file.rename(tmp_path / "elsewhere.db")
    record(log, range(10, 20))
    assert not log.flush(0.5)
    away.rename(file)
    assert log.flush()
    assert in_file(file) == ids(range(20))
    assert counted(engine) == 20


def test_another_file_in_its_place_is_taken_and_brought_to_the_schema(
    log: RequestLog, engine: sa.Engine, file: Path, tmp_path: Path
) -> None:
    record(log, range(10))
    assert log.flush()
    with closing(sqlite3.connect(tmp_path / "other.db")):
        pass
    (tmp_path / "other.db").touch()
    (tmp_path / "other.db").replace(file)
    record(log, range(10, 20))
    assert log.flush()
    assert in_file(file) == stored_ids(engine) == ids(range(10, 20))
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_write_ahead_log_that_is_deleted_takes_no_row_with_it(
    log: RequestLog, engine: sa.Engine, file: Path
) -> None:
    record(log, range(10))
    assert log.flush()
    remove(file, "-wal", "-shm")
    record(log, range(10, 20))
    assert log.flush()
    assert in_file(file) == ids(range(20))


def test_rows_that_went_into_a_file_deleted_meanwhile_are_not_taken_for_stored(
    log: RequestLog, engine: sa.Engine, file: Path, migrated_file: Path
) -> None:
    """The file goes after the rows were inserted, and before they are committed."""
    gone: list[bool] = []

    @sa.event.listens_for(engine, "commit")
    def _delete(_connection: sa.Connection) -> None:
        if not gone:
            gone.append(True)
            remove(file, "", "-wal", "-shm")

    record(log, range(10))
    assert not log.flush(0.5)
    assert (gone, log.backlog) == ([True], 10)
    shutil.copy(migrated_file, file)
    assert log.flush()
    assert in_file(file) == ids(range(10))


def test_no_reader_is_answered_from_a_file_that_is_gone(engine: sa.Engine, file: Path) -> None:
    query = sa.select(sa.func.count()).select_from(requests)
    with engine.connect() as one, engine.connect() as two:  # two connections of the pool
        assert one.scalar(query) == two.scalar(query) == 0
    remove(file, "", "-wal", "-shm")
    for _ in range(3):
        with pytest.raises(OperationalError, match="gone"), engine.connect():
            pass
    with pytest.raises(UserError) as raised, answering(engine), engine.connect():
        pass
    assert raised.value.code == "database_away"
    assert not file.exists()


def test_a_database_that_must_be_there_is_not_made(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path}/none/there.db", may_create=False)
    with pytest.raises(OperationalError, match="gone"), engine.connect():
        pass
    assert not (tmp_path / "none").exists()


def test_a_link_to_the_database_is_followed(migrated_file: Path, tmp_path: Path) -> None:
    target = Path(shutil.copy(migrated_file, tmp_path / "target.db"))
    (tmp_path / "link.db").symlink_to(target)
    engine = open_database(f"sqlite:///{tmp_path}/link.db")
    log = RequestLog(engine, tmp_path / "outbox")
    record(log, range(5))
    assert log.flush()
    other = Path(shutil.copy(migrated_file, tmp_path / "other.db"))
    (tmp_path / "link.db").unlink()
    (tmp_path / "link.db").symlink_to(other)
    record(log, range(5, 10))
    assert log.flush()
    log.close()
    engine.dispose()
    assert in_file(target) == ids(range(5))
    assert in_file(other) == ids(range(5, 10))
