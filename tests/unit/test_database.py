"""Opening a database by its URL, with the ways of its driver; and knowing its schema is current."""

import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy.engine.interfaces import BindTyping
from sqlalchemy.exc import ResourceClosedError

from leafgate.errors import UserError
from sql import add_user, find_user, migrate, open_database
from sql.database import bulk_is_safe
from sql.migrating import MIGRATIONS, head_revision
from sql.schema import metadata
from tests.requirements import freetds
from tests.tds import log_in_only


def test_the_newest_migration_is_known_without_alembic() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_heads() == [head_revision()]


def test_a_schema_that_is_current_is_left_alone_without_loading_alembic(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'a.db'}"
    code = (
        f"import sys, sql; sql.migrate(sql.open_database({url!r})); print('alembic' in sys.modules)"
    )
    runs = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        for _ in range(2)
    ]
    assert [done.stdout.strip() for done in runs] == ["True", "False"]


def test_a_schema_that_is_behind_is_brought_up(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'a.db'}")
    migrate(engine, "0001")
    assert not set(metadata.tables) <= set(sa.inspect(engine).get_table_names())
    migrate(engine)
    assert set(metadata.tables) <= set(sa.inspect(engine).get_table_names())


def test_a_url_that_is_none_is_refused_with_examples() -> None:
    for url in ("nonsense", "oracle://x/y", "nosuch+driver://x", "sqlite://ada:hunter2@here/x.db"):
        with pytest.raises(UserError, match="cannot be used") as raised:
            open_database(url)
        assert "mssql+pyodbc" in raised.value.fix
        assert "\n" not in raised.value.problem
        assert "hunter2" not in raised.value.problem


def test_a_server_that_is_away_is_named_without_its_password() -> None:
    with pytest.raises(UserError, match="cannot be reached") as raised:
        migrate(open_database("postgresql+psycopg://ada:hunter2@127.0.0.1:1/x"))
    assert "hunter2" not in str(raised.value)


def test_a_password_among_the_options_is_not_told_either() -> None:
    url = "mssql+pyodbc:///?odbc_connect=DRIVER%3Dno-such-driver%3BPWD%3Dhunter2"
    with pytest.raises(UserError, match="cannot be reached") as raised:
        migrate(open_database(url))
    assert raised.value.code == "database_unreachable"
    assert "hunter2" not in str(raised.value)


def test_bulk_mode_is_used_with_microsofts_driver_alone() -> None:
    assert bulk_is_safe("libmsodbcsql-18.5.so.1.1")
    assert not bulk_is_safe("libtdsodbc.so")
    assert not bulk_is_safe("")


def test_freetds_is_known_behind_a_data_sources_name_and_gets_no_bulk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with log_in_only() as port:
        address = f"Driver={freetds()}\nServer=127.0.0.1\nPort={port}\nTDS_Version=7.4\n"
        (tmp_path / "odbc.ini").write_text(f"[leaves]\n{address}")
        monkeypatch.setenv("ODBCINI", str(tmp_path / "odbc.ini"))
        engine = open_database("mssql+pyodbc://ada:secret@leaves")
        assert engine.dialect.fast_executemany  # type: ignore[attr-defined]
        with pytest.raises(ResourceClosedError):  # this server knows no SQL
            engine.connect()
    assert not engine.dialect.fast_executemany  # type: ignore[attr-defined]
    assert engine.dialect.bind_typing is BindTyping.NONE  # long texts: lengths are not told
    assert engine.dialect.use_insertmanyvalues_wo_returning


def test_a_sql_server_that_is_away_is_told_as_such() -> None:
    engine = open_database(f"mssql+pyodbc://ada:hunter2@127.0.0.1/x?driver={freetds()}&port=1")
    with pytest.raises(UserError, match="cannot be reached") as raised:
        migrate(engine)
    assert raised.value.code == "database_unreachable"
    assert "hunter2" not in str(raised.value)


def test_users_are_found_with_their_scopes_and_never_twice(database: sa.Engine) -> None:
    engine = database
    add_user(engine, "Zoë", "hash", ["predict", "admin"])
    found = find_user(engine, "Zoë")
    assert found is not None
    assert found.scopes == {"admin", "predict"}
    assert find_user(engine, "zoe") is None
    with pytest.raises(UserError, match="already"):
        add_user(engine, "Zoë", "other", ["predict"])
    with pytest.raises(UserError, match="unknown scope 'fly'"):
        add_user(engine, "bob", "hash", ["fly"])
    with pytest.raises(UserError, match="no scope"):
        add_user(engine, "bob", "hash", [])
    with pytest.raises(UserError, match="user name"):
        add_user(engine, " ", "hash", ["predict"])
