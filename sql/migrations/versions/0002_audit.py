"""The audit trail."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mssql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

NAME = sa.Unicode(256).with_variant(
    mssql.NVARCHAR(256, collation="Latin1_General_100_BIN2"), "mssql"
)
PROSE = sa.UnicodeText().with_variant(mssql.NVARCHAR(), "mssql")


def upgrade() -> None:
    op.create_table(
        "audit",
        sa.Column("model_name", NAME, nullable=False),
        sa.Column("number", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("at_utc", sa.String(32), nullable=False),
        sa.Column("who", PROSE, nullable=False),
        sa.Column("action", sa.String(16), nullable=False),
        sa.Column("caused_by", sa.String(16), nullable=False),
        sa.Column("from_version", sa.Integer),
        sa.Column("to_version", sa.Integer),
        sa.Column("previous_version", sa.Integer),
        sa.Column("outcome", PROSE, nullable=False),
        sa.Column("holder", PROSE, nullable=False),
        sa.Column("policy_digest", sa.String(128), nullable=False),
        sa.Column("artifact_digest", sa.String(128), nullable=False),
        sa.Column("report", PROSE, nullable=False),
        sa.Column("reason", PROSE, nullable=False),
        sa.Column("previous_hash", sa.String(64), nullable=False),
        sa.Column("key_id", sa.String(16), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("signature", sa.String(128), nullable=False),
        sa.PrimaryKeyConstraint("model_name", "number", name="pk_audit"),
    )


def downgrade() -> None:
    op.drop_table("audit")
