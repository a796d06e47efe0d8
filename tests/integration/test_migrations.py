"""Migrations keep every row, whatever they are cut off by, and on every database."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.exc import DBAPIError

from leafgate.errors import UserError
from sql import downgrade, migrate, open_database
from sql.migrating import head_revision
from sql.rollups import rebuild
from sql.schema import generations, hourly, metadata, predictions, requests
from tests.old_rows import Expected, Row, Writer, expected, put

STEPS = ("base", "0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008")


def stored(engine: sa.Engine) -> Expected:
    """What the tables hold. Fails where one row is there twice."""
    found = []
    with engine.connect() as connection:
        for table in (requests, predictions, generations):
            rows = [dict(row) for row in connection.execute(sa.select(table)).mappings()]
            found.append({row["id"]: row for row in rows})
            assert len(found[-1]) == len(rows)
    return Expected(*found)


def counts(connection: sa.Connection) -> list[tuple[Any, ...]]:
    """The hourly counts, whichever parts they lie in."""
    columns = [column for column in hourly.columns if column.name not in ("part", "number")]
    rows = connection.execute(sa.select(*columns)).all()
    return sorted(
        (
            tuple(round(each, 6) if isinstance(each, float) else each for each in row)
            for row in rows
        ),
        key=repr,
    )


def assert_moved(engine: sa.Engine, rows: list[Row]) -> None:
    """Every row is there once, to the letter, and counted."""
    assert stored(engine) == expected(rows)
    with engine.connect() as connection:
        found = counts(connection)
        rebuild(connection)
        assert found == counts(connection)
        assert sum(row[5] for row in found if row[0] == "endpoint/h") > 0
        connection.rollback()


def test_every_step_goes_up_and_down_with_rows_in_it(bare_database: sa.Engine) -> None:
    migrate(bare_database, "0001")
    rows = Writer(seed=1, first=True).rows(50)
    put(bare_database, rows)
    for step in STEPS[2:]:
        migrate(bare_database, step)
    assert_moved(bare_database, rows)
    for after, step in reversed(list(pairwise(STEPS[1:]))):
        downgrade(bare_database, after)
        migrate(bare_database, step)
        downgrade(bare_database, after)
    with bare_database.connect() as connection:
        kept = connection.scalars(sa.text("SELECT id FROM requests")).all()
    assert sorted(kept) == sorted(row["id"] for row in rows)
    downgrade(bare_database, "base")
    assert sa.inspect(bare_database).get_table_names() == ["alembic_version"]
    migrate(bare_database)
    assert set(sa.inspect(bare_database).get_table_names()) == {*metadata.tables, "alembic_version"}


def test_rows_of_the_first_schema_are_kept(bare_database: sa.Engine) -> None:
    migrate(bare_database, "0001")
    rows = Writer(seed=2, first=True).rows(3000)
    put(bare_database, rows)
    migrate(bare_database)
    assert_moved(bare_database, rows)


def test_batches_shadows_and_what_was_asked_are_kept_there_and_back(
    bare_database: sa.Engine,
) -> None:
    migrate(bare_database, "0004")
    rows = Writer(seed=3).rows(3000)
    put(bare_database, rows)
    for back in ("0004", "0003", None):
        migrate(bare_database)
        if back == "0004":
            assert_moved(bare_database, rows)
        if back:
            downgrade(bare_database, "0004")
    assert_moved(bare_database, rows)


def test_the_tables_are_those_of_the_schema(bare_database: sa.Engine) -> None:
    migrate(bare_database, "0001")
    put(bare_database, Writer(seed=4, first=True).rows(10))
    migrate(bare_database)
    with bare_database.connect() as connection:
        options = {"compare_type": True, "compare_server_default": True}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []


def _migrate(url: str) -> None:
    migrate(open_database(url))


def test_a_migration_that_is_killed_is_repeated(bare_database_url: str) -> None:
    engine = open_database(bare_database_url)
    migrate(engine, "0004")
    rows = Writer(seed=5).rows(20_000)
    put(engine, rows)
    started = time.monotonic()
    migrate(engine)
    whole = time.monotonic() - started
    downgrade(engine, "0004")
    engine.dispose()
    draw = random.Random(6)
    ends = []
    for number in range(5):
        process = get_context("fork").Process(target=_migrate, args=(bare_database_url,))
        process.start()
        time.sleep(whole * (number + draw.random()) / 6)
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        ends.append(process.exitcode)
    migrate(engine)
    assert_moved(engine, rows)
    assert -signal.SIGKILL in ends
    engine.dispose()


def test_what_an_older_process_logs_meanwhile_is_moved_or_refused(
    bare_database_url: str,
) -> None:
    engine = open_database(bare_database_url)
    migrate(engine, "0004")
    writer = Writer(seed=7)
    rows = writer.rows(2000)
    put(engine, rows)
    table = sa.Table("requests", sa.MetaData(), autoload_with=engine)
    older = open_database(bare_database_url)

    def log() -> None:
        while True:
            more = writer.rows(1)
            try:
                with older.begin() as connection:
                    connection.execute(table.insert(), more)
            except DBAPIError:
                return
            rows.extend(more)

    thread = threading.Thread(target=log)
    thread.start()
    time.sleep(0.2)
    migrate(engine)
    thread.join()
    assert stored(engine) == expected(rows)
    engine.dispose()
    older.dispose()


def test_several_processes_may_migrate_at_once(bare_database_url: str) -> None:
    code = f"from sql import migrate, open_database; migrate(open_database({bare_database_url!r}))"
    each = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(3)]
    assert [process.wait(60) for process in each] == [0, 0, 0]
    engine = open_database(bare_database_url)
    assert set(metadata.tables) < set(sa.inspect(engine).get_table_names())
    engine.dispose()


def test_the_schema_of_a_newer_version_is_left_alone_and_named(database: sa.Engine) -> None:
    with database.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9001'"))
    with pytest.raises(UserError, match="schema 9001 of a newer LeafGate") as raised:
        migrate(database)
    assert raised.value.code == "database_is_newer"
    assert head_revision() in raised.value.problem


def test_a_file_that_is_no_database_is_told_as_such(tmp_path: Path) -> None:
    path = tmp_path / "no.db"
    path.write_bytes(b"nothing of the kind" * 100)
    with pytest.raises(UserError, match=r"no\.db"):
        migrate(open_database(f"sqlite:///{path}"))
