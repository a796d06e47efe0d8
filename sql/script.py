"""The schema as a script, for a person to review and to run on an empty database."""

import sqlalchemy as sa
from sqlalchemy.schema import CreateIndex, CreateTable

from leafgate.errors import UserError
from sql.migrating import head_revision
from sql.schema import metadata

DIALECTS = {
    "sqlite": "sqlite://",
    "postgresql": "postgresql+psycopg://",
    "mssql": "mssql+pyodbc://",
}
PURPOSES = {
    "requests": "One row a request of HTTP, refused and failed ones too",
    "predictions": "One row an image that was to be classified",
    "generations": "One row a request for pictures",
    "feedback": "What people say that images show",
    "hourly": "Counts by the hour, in parts that are added up",
    "users": "Who may sign in; passwords as Argon2 hashes",
    "revoked_tokens": "Tokens that are refused until they expire",
    "audit": "Every verdict and move of a model; rows are only added",
}
HEAD = """\
-- LeafGate's tables for {dialect}, at the schema {revision}.
-- Run it once, as the owner of the tables, on a database that has none of them, with
-- {program}
-- which stops at the first mistake, so that nothing is left of what went before.
-- `leafgate db migrate` then finds nothing to do, and takes it from here in later versions.
"""
PROGRAMS = {
    "sqlite": "sqlite3 -bail FILE.db",
    "postgresql": "psql --set ON_ERROR_STOP=1 -f",
    "mssql": "sqlcmd -b -i",
}
# What goes before the first statement, after each, and after the last.
FRAMES = {
    "sqlite": ("BEGIN;\n", ";\n", "COMMIT;\n"),
    "postgresql": ("BEGIN;\n", ";\n", "COMMIT;\n"),
    "mssql": (
        "SET XACT_ABORT ON;\nGO\n\nBEGIN TRANSACTION;\nGO\n",
        ";\nGO\n",
        "COMMIT TRANSACTION;\nGO\n",
    ),
}


def ddl(dialect: str) -> str:
    """The script for a dialect. Raises UserError for one that is unknown."""
    if dialect not in DIALECTS:
        raise UserError(f"unknown dialect {dialect!r}", f"known are: {', '.join(DIALECTS)}")
    compiled = sa.make_url(DIALECTS[dialect]).get_dialect()()
    first, end, last = FRAMES[dialect]
    parts = [_head(dialect), first]
    for table in metadata.tables.values():
        statements: list[sa.ClauseElement] = [CreateTable(table)]
        statements += map(CreateIndex, _in_order(table))
        parts.append(f"-- {PURPOSES[table.name]}.")
        parts += [f"{_text(each, compiled)}{end}" for each in statements]
    parts.append("-- Where `leafgate db migrate` looks up what schema this is.")
    parts += [f"{_text(each, compiled)}{end}" for each in _stamp()]
    return "\n".join([*parts, last])


def _head(dialect: str) -> str:
    return HEAD.format(dialect=dialect, revision=head_revision(), program=PROGRAMS[dialect])


def _in_order(table: sa.Table) -> list[sa.Index]:
    """The clustered index first: made later, it would make the others anew."""
    by_name = sorted(table.indexes, key=lambda index: str(index.name))
    return sorted(by_name, key=lambda index: not index.dialect_kwargs.get("mssql_clustered"))


def _stamp() -> list[sa.ClauseElement]:
    """As Alembic keeps it."""
    table = sa.Table(
        "alembic_version",
        sa.MetaData(),
        sa.Column("version_num", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
    )
    insert = table.insert().inline().values(version_num=head_revision())
    return [CreateTable(table), insert]


def _text(statement: sa.ClauseElement, dialect: sa.Dialect) -> str:
    compiled = statement.compile(dialect=dialect, compile_kwargs={"literal_binds": True})
    return "\n".join(line.rstrip() for line in str(compiled).strip().splitlines())
