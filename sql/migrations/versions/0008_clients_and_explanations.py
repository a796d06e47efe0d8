"""Requests name the program that asked, explanations are told apart from diagnoses, and what was
read in generated pictures is kept. The hourly counts follow.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mssql

from sql.migrations import explanations

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

TO_THE_LETTER = "Latin1_General_100_BIN2"


def text(length: int) -> sa.Unicode:
    return sa.Unicode(length).with_variant(mssql.NVARCHAR(length, collation=TO_THE_LETTER), "mssql")


def upgrade() -> None:
    client = mssql.VARCHAR(32, collation=TO_THE_LETTER)
    op.add_column("requests", sa.Column("client", sa.String(32).with_variant(client, "mssql")))
    op.add_column(
        "predictions",
        sa.Column("explanation", sa.Boolean, nullable=False, server_default=sa.false()),
    )
    op.add_column("generations", sa.Column("reader_name", text(200)))
    op.add_column("generations", sa.Column("reader_version", sa.Integer))
    op.add_column("generations", sa.Column("read_classes", text(4000)))
    explanations.note_explanations(op.get_bind())
    if not op.get_context().as_sql:  # it depends on what is counted
        explanations.count_apart(op.get_bind())


def downgrade() -> None:
    """The hourly counts are again those that an older LeafGate makes."""
    if not op.get_context().as_sql:
        explanations.count_together(op.get_bind())
    for name in ("reader_name", "reader_version", "read_classes"):
        op.drop_column("generations", name)
    op.drop_column("predictions", "explanation", mssql_drop_default=True)
    op.drop_column("requests", "client")
