"""The database: tables as the migrations create them, and the DDL scripts of `leafgate db ddl`."""

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tests.contracts import product
from tests.contracts.frozen import require_same_json, require_same_text


def test_tables_that_the_migrations_create_in_sqlite(tmp_path: Path) -> None:
    engine = product.migrate(f"sqlite:///{tmp_path / 'migrated.db'}")
    inspector = sa.inspect(engine)
    tables = {name: _table(inspector, name) for name in inspector.get_table_names()}
    with engine.connect() as connection:
        revision = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
    engine.dispose()
    assert len(tables) > 8
    require_same_json("database_sqlite.json", {"revision": revision, "tables": tables})


def _table(inspector: sa.Inspector, name: str) -> dict[str, Any]:
    columns = [
        {
            "name": column["name"],
            "type": str(column["type"]),
            "nullable": column["nullable"],
            "default": column["default"],
        }
        for column in inspector.get_columns(name)
    ]
    key = inspector.get_pk_constraint(name)
    indexes = [
        {"name": index["name"], "columns": index["column_names"], "unique": bool(index["unique"])}
        for index in inspector.get_indexes(name)
    ]
    return {
        "columns": columns,
        "primary_key": {"name": key["name"], "columns": key["constrained_columns"]},
        "indexes": sorted(indexes, key=lambda index: str(index["name"])),
        "unique": [str(item["column_names"]) for item in inspector.get_unique_constraints(name)],
        "foreign_keys": [str(item) for item in inspector.get_foreign_keys(name)],
    }


@pytest.mark.parametrize("dialect", ["mssql", "postgresql", "sqlite"])
def test_the_ddl_script(dialect: str) -> None:
    require_same_text(f"database_{dialect}.sql", product.schema_script(dialect))
