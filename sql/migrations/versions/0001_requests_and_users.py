"""Requests and users."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mssql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

MOMENT = sa.DateTime().with_variant(mssql.DATETIME2(3), "mssql")


def upgrade() -> None:
    op.create_table(
        "requests",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("at_utc", MOMENT, nullable=False),
        sa.Column("method", sa.String(8), nullable=False),
        sa.Column("endpoint", sa.Unicode(200), nullable=False),
        sa.Column("status", sa.SmallInteger, nullable=False),
        sa.Column("latency_ms", sa.Float, nullable=False),
        sa.Column("user_name", sa.Unicode(100)),
        sa.Column("source", sa.String(64)),
        sa.Column("images", sa.Integer, nullable=False, server_default="0"),
        sa.Column("file_name", sa.Unicode(255)),
        sa.Column("sha256", sa.String(64)),
        sa.Column("model_name", sa.Unicode(200)),
        sa.Column("model_version", sa.Integer),
        sa.Column("class_name", sa.Unicode(200)),
        sa.Column("confidence", sa.Float),
        sa.Column("error_code", sa.String(64)),
        sa.PrimaryKeyConstraint("id", name="pk_requests"),
    )
    op.create_index("ix_requests_at_utc", "requests", ["at_utc"])
    op.create_table(
        "users",
        sa.Column("name", sa.Unicode(100), nullable=False),
        sa.Column("password_hash", sa.String(255), nullable=False),
        sa.Column("scopes", sa.String(255), nullable=False),
        sa.Column("created_at_utc", MOMENT, nullable=False),
        sa.Column("disabled", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.PrimaryKeyConstraint("name", name="pk_users"),
    )


def downgrade() -> None:
    op.drop_table("users")
    op.drop_index("ix_requests_at_utc", table_name="requests")
    op.drop_table("requests")
