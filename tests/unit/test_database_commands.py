"""`leafgate db prune` and `rebuild-counts`: ages, uploads, space, and a real Ctrl-C."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from leafgate.cli_db import db_app
from leafgate.errors import UserError
from sql import (
    open_database,
    require_shrinkable,
)
from sql.pruning import pruned_until
from sql.schema import predictions
from tests.commands import environment, leafgate
from tests.log_entries import MINUTE, NOON, TABLES, counts, fill, ids


@pytest.fixture
def told(database: sa.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("LEAFGATE_DATABASE_URL", database.url.render_as_string(False))
    monkeypatch.setenv("LEAFGATE_VAR_DIR", str(tmp_path / "var"))
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> str:
        done = CliRunner().invoke(db_app, words)
        if done.exception is not None:
            raise done.exception
        return done.output

    yield run


def recent(database: sa.Engine) -> list[datetime]:
    now = datetime.now(UTC)
    moments = [now - timedelta(days=days) for days in (100, 95, 80, 1)]
    fill(database, moments)
    return moments


def test_a_dry_run_says_how_many_rows_and_deletes_none(told: Any, database: sa.Engine) -> None:
    recent(database)
    words = told("prune", "--older-than", "90d", "--dry-run").split()
    assert words[words.index("requests") + 1] == "2"
    assert len(ids(database)) == 4
    assert pruned_until(database.connect()) is None


def test_the_command_deletes_by_age_and_may_be_repeated(told: Any, database: sa.Engine) -> None:
    recent(database)
    told("prune", "--older-than", "90d")
    assert ids(database) == ["00000002", "00000003"]
    told("prune", "--older-than", "90d")
    assert ids(database) == ["00000002", "00000003"]
    told("prune", "--older-than", "4w")
    told("prune", "--older-than", "9999h")
    assert ids(database) == ["00000003"]
    told("prune", "--older-than", "12h")
    assert ids(database) == []


@pytest.mark.parametrize("age", ["6m", "90", "0d", "-1d", "d", "1.5d", "90 days", "1y", "99999d"])
def test_an_age_that_is_none_is_refused_with_examples(told: Any, age: str) -> None:
    with pytest.raises(UserError, match="is no age") as raised:
        told("prune", "--older-than", age)
    assert "90d" in raised.value.fix


def test_old_kept_uploads_go_too(told: Any, database: sa.Engine, tmp_path: Path) -> None:
    old, new = ("a" * 64, "b" * 64)
    for name, days in ((old, 91), (new, 1)):
        file = tmp_path / "var" / "uploads" / name[:2] / name
        file.parent.mkdir(parents=True)
        file.write_bytes(b"x" * 2**20)
        moment = (datetime.now(UTC) - timedelta(days=days)).timestamp()
        os.utime(file, (moment, moment))
    told("prune", "--older-than", "90d", "--dry-run")
    assert len(list((tmp_path / "var").rglob("?" * 64))) == 2
    assert "1   (1.0 MiB)" in told("prune", "--older-than", "90d")
    assert [file.name for file in (tmp_path / "var").rglob("?" * 64)] == [new]


def test_the_file_gets_smaller_only_where_that_was_asked(
    told: Any, embedded: sa.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEAFGATE_DATABASE_URL", str(embedded.url))
    fill(embedded, [NOON + n * MINUTE for n in range(3000)])
    assert "the file keeps its size" in told("prune", "--older-than", "1h")
    with embedded.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    size = (tmp_path / "log.db").stat().st_size
    told("prune", "--older-than", "1h", "--vacuum")
    assert (tmp_path / "log.db").stat().st_size < size / 2


def test_shrinking_is_for_sqlite_and_refused_before_anything_goes() -> None:
    with pytest.raises(UserError, match="--vacuum is for SQLite, and this is postgresql"):
        require_shrinkable(open_database("postgresql+psycopg://x@127.0.0.1/x"))


def test_rebuild_counts_says_from_which_hour(told: Any, database: sa.Engine) -> None:
    assert "nothing to count" in told("rebuild-counts")
    fill(database, [NOON + 5 * MINUTE])
    right = counts(database)
    assert "from 2024-03-01 12:00 UTC on" in told("rebuild-counts")
    assert counts(database) == right


def test_a_pruning_that_was_interrupted_is_finished_by_the_next(
    database: sa.Engine, tmp_path: Path
) -> None:
    """By a real Ctrl-C, between batches or in one."""
    fill(database, [NOON + n * MINUTE for n in range(400)])
    env = environment(tmp_path / "var", database_url=database.url.render_as_string(False))
    words = ("db", "prune", "--older-than", "1h", "--batch-rows", "10", "--pause", "0.3")
    process = subprocess.Popen(
        [sys.executable, "-m", "leafgate.cli", *words],
        env=env,
        stderr=subprocess.PIPE,
        # Ctrl-C is ignored in whatever a shell runs in the background.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    while len(ids(database, predictions)) == 400:
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode != 0
    assert b"Traceback" not in error
    assert 0 < len(ids(database, predictions)) < 400
    assert leafgate(*words[:4], env=env).returncode == 0
    assert [ids(database, table) for table in TABLES] == [[], [], [], []]
