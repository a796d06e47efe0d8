"""What Alembic runs: on the connection that `sql.migrating` holds, within its transaction."""

from alembic import context

from sql.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
