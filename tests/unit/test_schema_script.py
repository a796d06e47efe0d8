"""The script that makes the schema is complete, and the T-SQL that is written by hand is T-SQL."""

import importlib
import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy.dialects import mssql
from sqlfluff.core import Linter

from leafgate.errors import UserError
from sql import ddl, downgrade, migrate
from sql.migrating import MIGRATIONS
from sql.migration_lock import APPLICATION_LOCK
from sql.migrations import explanations
from sql.schema import metadata
from sql.script import PURPOSES

README = Path(__file__).parents[2] / "sql" / "README.md"
VERSIONS = sorted(file.stem for file in (MIGRATIONS / "versions").glob("0*.py"))
BATCH = re.compile(r"^GO$", re.MULTILINE)  # sqlcmd's word, which the server does not know


def shape(engine: sa.Engine) -> dict[str, object]:
    """Each table with its columns, keys and indexes; and the revision."""
    inspector = sa.inspect(engine)
    found: dict[str, object] = {}
    for name in inspector.get_table_names():
        columns = [
            {**column, "type": repr(column["type"])} for column in inspector.get_columns(name)
        ]
        found[name] = columns, inspector.get_pk_constraint(name), inspector.get_indexes(name)
    with engine.connect() as connection:
        found["revision"] = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
    return found


def run(engine: sa.Engine, script: str) -> None:
    """As the database's own program runs it."""
    connection: Any = engine.raw_connection()
    if engine.dialect.name == "sqlite":
        connection.executescript(script)
    else:
        connection.driver_connection.autocommit = True
        for batch in BATCH.split(script):
            connection.cursor().execute(batch)
        connection.driver_connection.autocommit = False
    connection.close()


def test_the_script_makes_what_the_migrations_make(bare_database: sa.Engine) -> None:
    run(bare_database, ddl(bare_database.dialect.name))
    scripted = shape(bare_database)
    migrate(bare_database)
    assert shape(bare_database) == scripted
    downgrade(bare_database, "base")
    migrate(bare_database)
    assert shape(bare_database) == scripted


def test_the_script_says_what_each_table_is_for() -> None:
    script = ddl("mssql")
    for name in metadata.tables:
        assert f"-- {PURPOSES[name]}.\nCREATE TABLE {name} (" in script
    assert set(PURPOSES) == set(metadata.tables)
    with pytest.raises(UserError, match="oracle"):
        ddl("oracle")


def test_the_script_for_sql_server_uses_its_types_and_lays_large_tables_by_time() -> None:
    script = ddl("mssql")
    assert "at_utc DATETIME2(3) NOT NULL" in script
    assert "file_name NVARCHAR(255)" in script
    for name in ("requests", "predictions", "generations", "feedback"):
        assert f"CONSTRAINT pk_{name} PRIMARY KEY NONCLUSTERED (id)" in script
        assert f"CREATE CLUSTERED INDEX ix_{name}_at_utc ON {name} (at_utc, id)" in script
    assert "IDENTITY" not in script


class Nobody:
    """A connection that writes down what it is asked, and has no rows."""

    def __init__(self, context: MigrationContext) -> None:
        self.context = context

    def execute(self, statement: Any) -> "Nobody":
        self.context.impl._exec(statement)
        return self

    def mappings(self) -> "Nobody":
        return self

    def all(self) -> list[Any]:
        return []


def said_to_sql_server(version: str, direction: str) -> str:
    """The statements of a migration."""
    said = io.StringIO()
    options = {"as_sql": True, "output_buffer": said, "literal_binds": True}
    context = MigrationContext.configure(dialect_name="mssql", opts=options)
    context.impl.connection = Nobody(context)  # type: ignore[assignment]
    with Operations.context(context):
        getattr(importlib.import_module(f"sql.migrations.versions.{version}"), direction)()
    return said.getvalue()


class Counting(Nobody):
    """The same of what a migration asks because of what is counted; something is."""

    def __init__(self) -> None:
        self.dialect = mssql.dialect()  # type: ignore[no-untyped-call]
        self.said: list[str] = []

    def execute(self, statement: Any, **_: object) -> "Counting":
        options = {"literal_binds": True, "render_postcompile": True}
        self.said.append(str(statement.compile(dialect=self.dialect, compile_kwargs=options)))
        return self

    def scalar(self, statement: Any) -> int:
        self.execute(statement)
        return 1

    def __iter__(self) -> Iterator[Any]:
        return iter(())


def counts_made_anew(function: Callable[[Any], None]) -> str:
    connection = Counting()
    function(connection)
    return "\n".join(f"{statement};" for statement in connection.said)


def by_hand() -> dict[str, str]:
    """T-SQL by where it comes from."""
    readme = re.findall(r"```sql\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
    return {
        "the lock of migrations": APPLICATION_LOCK,
        "sql/README.md": "\n".join(readme),
        "leafgate db ddl": ddl("mssql"),
        "counts, apart": counts_made_anew(explanations.count_apart),
        "counts, together": counts_made_anew(explanations.count_together),
        **{
            f"{version}, {direction}": said_to_sql_server(version, direction)
            for version in VERSIONS
            for direction in ("upgrade", "downgrade")
        },
    }


def test_what_sql_server_is_told_can_be_parsed() -> None:
    linter = Linter(dialect="tsql")
    assert linter.parse_string("CREATE TABEL users (name INT);\n").violations  # it does look
    for place, text in by_hand().items():
        assert text.strip(), place
        found = linter.parse_string(text, fname=place).violations
        assert not found, f"{place}: {[str(each) for each in found]}"
