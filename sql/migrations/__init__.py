"""Alembic's environment; run through sql.database, which hands over its connection."""
