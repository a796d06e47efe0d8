"""A row of `requests` can stand for several requests, which were counted and not written singly."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "requests",
        sa.Column("request_count", sa.Integer, nullable=False, server_default="1"),
    )


def downgrade() -> None:
    """Such a row is kept, as if it stood for one; the hourly counts keep all of them."""
    op.drop_column("requests", "request_count", mssql_drop_default=True)
