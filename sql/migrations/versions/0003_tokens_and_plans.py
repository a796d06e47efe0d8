"""Plans of users, and tokens that are no longer good."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mssql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime().with_variant(mssql.DATETIME2(3), "mssql")
TOKEN_ID = sa.String(255).with_variant(
    mssql.VARCHAR(255, collation="Latin1_General_100_BIN2"), "mssql"
)


def upgrade() -> None:
    plan = sa.Column("plan", sa.Unicode(64), nullable=False, server_default="standard")
    op.add_column("users", plan)
    op.add_column("users", sa.Column("tokens_revoked_at_utc", MOMENT))
    op.create_table(
        "revoked_tokens",
        sa.Column("jti", TOKEN_ID, nullable=False),
        sa.Column("expires_at_utc", MOMENT, nullable=False),
        sa.Column("revoked_at_utc", MOMENT, nullable=False),
        sa.Column("revoked_by", sa.Unicode(200), nullable=False),
        sa.PrimaryKeyConstraint("jti", name="pk_revoked_tokens"),
    )


def downgrade() -> None:
    op.drop_table("revoked_tokens")
    op.drop_column("users", "tokens_revoked_at_utc")
    op.drop_column("users", "plan", mssql_drop_default=True)
