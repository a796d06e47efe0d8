"""What an answer can be made again from, and rows that belong to another request."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

COLUMNS = (
    sa.Column("artifact_digest", sa.String(64)),
    sa.Column("engine", sa.String(32)),
    sa.Column("lane", sa.String(16)),
    sa.Column("part_of", sa.String(36)),
    sa.Column("unknown", sa.Boolean),
    sa.Column("unknown_score", sa.Float),
    sa.Column("parameters", sa.Unicode(500)),
    sa.Column("output_sha256", sa.String(64)),
)


def upgrade() -> None:
    for column in COLUMNS:
        op.add_column("requests", column.copy())


def downgrade() -> None:
    with op.batch_alter_table("requests") as table:
        for column in COLUMNS:
            table.drop_column(column.name)
