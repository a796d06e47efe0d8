"""Databases for tests, each test's own: the same test runs on every database LeafGate knows.

SQLite is a file. PostgreSQL is a server of the tests' own, or the database that
LEAFGATE_TEST_POSTGRES_URL names. SQL Server is the database that LEAFGATE_TEST_MSSQL_URL names;
without it no test asks for one. A database named by a URL is the tests' own: LeafGate's tables in
it are dropped.
"""

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Literal

import pytest
import sqlalchemy as sa

from sql import migrate, open_database
from sql.migrating import head_revision
from sql.schema import metadata
from tests.servers import Server, postgresql

URLS = {"postgresql": "LEAFGATE_TEST_POSTGRES_URL", "mssql": "LEAFGATE_TEST_MSSQL_URL"}
DATABASES = ("sqlite", "postgresql", *(["mssql"] if os.environ.get(URLS["mssql"]) else []))
NUMBERS = count(1)


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[Server]:
    """A server of the tests' own. A test that stops it starts it again."""
    with postgresql() as server:
        yield server


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty SQLite database at the current schema, to be copied."""
    path = tmp_path_factory.mktemp("migrated") / "migrated.db"
    _migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def migrated_template(postgresql_server: Server) -> str:
    """The name of an empty PostgreSQL database at the current schema, to be copied."""
    _migrate(postgresql_server.create_database("migrated"))
    return "migrated"


@pytest.fixture(params=DATABASES)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database at the current schema, without rows; of each kind in turn."""
    with _current_database(request, tmp_path) as url:
        yield url


@contextmanager
def _current_database(request: pytest.FixtureRequest, folder: Path) -> Iterator[str]:
    kind = request.param
    if given := os.environ.get(URLS.get(kind, "")):
        with _held(given):
            _empty(given)
            yield given
    elif kind == "sqlite":
        path = folder / "database.db"
        shutil.copy(request.getfixturevalue("migrated_file"), path)
        yield f"sqlite:///{path}"
    else:
        template = request.getfixturevalue("migrated_template")
        with _own_database(request.getfixturevalue("postgresql_server"), template) as url:
            yield url


@pytest.fixture(params=DATABASES)
def bare_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database without any table; of each kind in turn."""
    kind = request.param
    if given := os.environ.get(URLS.get(kind, "")):
        with _held(given):
            _drop_tables(given)
            yield given
    elif kind == "sqlite":
        yield f"sqlite:///{tmp_path / 'bare.db'}"
    else:
        with _own_database(request.getfixturevalue("postgresql_server"), "template1") as url:
            yield url


def one_module(fixture_name: str, config: pytest.Config) -> Literal["function", "module"]:
    """How long a `lasting_database` lasts: one that a URL names is everybody's in turn."""
    return "function" if any(os.environ.get(name) for name in URLS.values()) else "module"


@pytest.fixture(scope=one_module, params=DATABASES)
def lasting_database(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[sa.Engine]:
    """Like `database`, for all tests of a module: to be filled once, and only read by them."""
    with _current_database(request, tmp_path_factory.mktemp("lasting")) as url:
        engine = open_database(url)
        yield engine
        engine.dispose()


@pytest.fixture
def database(database_url: str) -> Iterator[sa.Engine]:
    """A database at the current schema, without rows; of each kind in turn."""
    engine = open_database(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def embedded(migrated_file: Path, tmp_path: Path) -> Iterator[sa.Engine]:
    """SQLite at the current schema, without rows, for what is peculiar to it."""
    path = tmp_path / "log.db"
    shutil.copy(migrated_file, path)
    engine = open_database(f"sqlite:///{path}")
    yield engine
    engine.dispose()


@pytest.fixture
def bare_database(bare_database_url: str) -> Iterator[sa.Engine]:
    """A database without any table; of each kind in turn."""
    engine = open_database(bare_database_url)
    yield engine
    engine.dispose()


def rename_table(connection: sa.Connection, old: str, new: str) -> None:
    """Call a table something else; SQL Server has a procedure for it, and no ALTER TABLE."""
    statement = "ALTER TABLE {old} RENAME TO {new}"
    if connection.dialect.name == "mssql":
        statement = "EXEC sp_rename '{old}', '{new}'"
    connection.exec_driver_sql(statement.format(old=old, new=new))


@contextmanager
def _own_database(server: Server, template: str) -> Iterator[str]:
    name = f"test_{next(NUMBERS)}"
    yield server.create_database(name, template)
    server.drop_database(name)


@contextmanager
def _held(url: str) -> Iterator[None]:
    """Nobody else on this machine tests with that database meanwhile."""
    name = hashlib.sha256(url.encode()).hexdigest()[:16]
    with Path(tempfile.gettempdir(), f"leafgate-test-{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _empty(url: str) -> None:
    """No rows; the tables are made anew where they are not those of the current schema."""
    engine = open_database(url)
    with engine.begin() as connection:
        tables = set(sa.inspect(connection).get_table_names())
        current = {*metadata.tables, "alembic_version"} <= tables and connection.scalar(
            sa.text("SELECT version_num FROM alembic_version")
        ) == head_revision()
        if current and url in _made_here:
            for table in metadata.tables.values():
                connection.execute(table.delete())
    engine.dispose()
    if not current or url not in _made_here:
        _drop_tables(url)
        _migrate(url)
        _made_here.add(url)


_made_here: set[str] = set()  # URLs whose schema is of this run, and no older one of the same name


def _drop_tables(url: str) -> None:
    engine = open_database(url)
    ours = {*metadata.tables, "alembic_version"}
    with engine.begin() as connection:
        for name in ours & set(sa.inspect(connection).get_table_names()):
            sa.Table(name, sa.MetaData()).drop(connection)
    engine.dispose()


def _migrate(url: str) -> None:
    engine = open_database(url)
    migrate(engine)
    engine.dispose()
