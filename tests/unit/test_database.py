"""One schema: migrated up and down, repeatable, and reviewable as T-SQL."""

import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.config import Config
from alembic.script import ScriptDirectory

from leafgate.errors import UserError
from sql import add_user, ddl, downgrade, find_user, migrate, open_database
from sql.database import MIGRATIONS, _bulk_is_safe, head_revision
from sql.schema import metadata


def tables(engine: sa.Engine) -> set[str]:
    return set(sa.inspect(engine).get_table_names()) - {"alembic_version"}


def test_migrations_make_the_schema_and_take_it_back(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'a.db'}")
    migrate(engine)
    migrate(engine)  # nothing to do
    assert tables(engine) == set(metadata.tables)
    for name, table in metadata.tables.items():
        found = {
            column["name"]: column["nullable"] for column in sa.inspect(engine).get_columns(name)
        }
        assert found == {column.name: column.nullable for column in table.columns}
    downgrade(engine, "base")
    assert tables(engine) == set()


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
    assert tables(engine) < set(metadata.tables)
    migrate(engine)
    assert tables(engine) == set(metadata.tables)


def test_two_processes_may_migrate_at_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'a.db'}"
    code = f"from sql import migrate, open_database; migrate(open_database({url!r}))"
    both = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(3)]
    assert [process.wait(60) for process in both] == [0, 0, 0]
    assert tables(open_database(url)) == set(metadata.tables)


def test_the_script_for_sql_server_uses_its_types() -> None:
    script = ddl("mssql")
    assert "at_utc DATETIME2(3) NOT NULL" in script
    assert "file_name NVARCHAR(255)" in script
    assert "CREATE INDEX ix_requests_at_utc" in script
    assert "CREATE TABLE users" in ddl("postgresql")
    with pytest.raises(UserError, match="oracle"):
        ddl("oracle")


def test_a_url_that_is_none_is_refused_with_examples() -> None:
    for url in ("nonsense", "oracle://x/y", "nosuch+driver://x"):
        with pytest.raises(UserError, match="cannot be used") as raised:
            open_database(url)
        assert "mssql+pyodbc" in raised.value.fix


def test_a_server_that_is_away_is_named_without_its_password() -> None:
    with pytest.raises(UserError, match="cannot be reached") as raised:
        migrate(open_database("postgresql+psycopg://ada:hunter2@127.0.0.1:1/x"))
    assert "hunter2" not in str(raised.value)


def test_bulk_mode_is_never_used_with_freetds() -> None:
    base = "mssql+pyodbc://u:p@h/d?driver="
    assert _bulk_is_safe(sa.make_url(f"{base}ODBC+Driver+18+for+SQL+Server"))
    assert not _bulk_is_safe(sa.make_url(f"{base}FreeTDS"))
    assert not _bulk_is_safe(sa.make_url("mssql+pyodbc:///?odbc_connect=DRIVER%3Dlibtdsodbc.so"))
    assert not _bulk_is_safe(sa.make_url("sqlite://"))


def test_users_are_found_with_their_scopes_and_never_twice(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'a.db'}")
    migrate(engine)
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
