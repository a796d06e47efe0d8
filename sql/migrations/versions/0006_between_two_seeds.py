"""Pictures on the way from one seed to another say which one that is."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("generations", sa.Column("to_seed", sa.BigInteger))


def downgrade() -> None:
    """Rows of such pictures are kept, and can no longer be made again."""
    with op.batch_alter_table("generations") as table:
        table.drop_column("to_seed")
