"""Images, pictures and corrections in tables of their own; counts by the hour.

What a request was answered with moves from `requests` to `predictions` and `generations`. Hourly
counts of the rows that are there are made by `sql.migrating.migrate`, in the same transaction.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mssql

from sql.migrations import answers

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TO_THE_LETTER = "Latin1_General_100_BIN2"
MOMENT = sa.DateTime().with_variant(mssql.DATETIME2(3), "mssql")


def ascii_(length: int) -> sa.String:
    return sa.String(length).with_variant(mssql.VARCHAR(length, collation=TO_THE_LETTER), "mssql")


def text(length: int) -> sa.Unicode:
    return sa.Unicode(length).with_variant(mssql.NVARCHAR(length, collation=TO_THE_LETTER), "mssql")


ID = ascii_(36).with_variant(sa.String(36, collation="C"), "postgresql")
# Alembic has no word for it.
BESIDE_THE_ROWS = "ALTER TABLE requests ADD CONSTRAINT pk_requests PRIMARY KEY NONCLUSTERED (id)"
PLAIN = {ascii_: sa.String, text: sa.Unicode}
# Columns of `requests` that SQL Server compares to the letter from now on; may they be NULL?
COMPARED = (
    ("id", ascii_, 36, False),
    ("method", ascii_, 8, False),
    ("endpoint", text, 200, False),
    ("user_name", text, 100, True),
    ("source", ascii_, 64, True),
    ("model_name", text, 200, True),
    ("error_code", ascii_, 64, True),
)
MADE = ("hourly", "feedback", "generations", "predictions")


def upgrade() -> None:
    _keep_others_out("requests")
    _make_tables()
    for name in ("predictions", "generations", "feedback"):
        op.create_index(f"ix_{name}_at_utc", name, ["at_utc", "id"], mssql_clustered=True)
    op.create_index("ix_predictions_request_id", "predictions", ["request_id"])
    op.create_index("ix_feedback_prediction_id", "feedback", ["prediction_id"])
    op.create_index("ix_hourly_name", "hourly", ["dimension", "name", "hour_utc"])
    answers.move(op.get_bind())
    _take_from_requests()


def _keep_others_out(*names: str) -> None:
    """What another process logged between the copy of a row and the end of its columns would be
    lost. SQLite lets nobody else write in any case.
    """
    for name in names:
        if op.get_context().dialect.name == "postgresql":
            op.execute(f"LOCK TABLE {name} IN ACCESS EXCLUSIVE MODE")
        elif op.get_context().dialect.name == "mssql":
            table = sa.table(name, sa.column("id"))
            held = sa.select(table.c.id).limit(1).with_hint(table, "WITH (TABLOCKX, HOLDLOCK)")
            op.get_bind().execute(held).all()


def _make_tables() -> None:
    op.create_table(
        "predictions",
        sa.Column("id", ID, nullable=False),
        sa.Column("request_id", ID, nullable=False),
        sa.Column("position", sa.SmallInteger, nullable=False, server_default="0"),
        sa.Column("at_utc", MOMENT, nullable=False),
        sa.Column("status", sa.SmallInteger, nullable=False),
        sa.Column("error_code", ascii_(64)),
        sa.Column("latency_ms", sa.Float, nullable=False),
        sa.Column("lane", ascii_(16)),
        sa.Column("model_name", text(200)),
        sa.Column("model_version", sa.Integer),
        sa.Column("artifact_digest", ascii_(64)),
        sa.Column("engine", ascii_(32)),
        sa.Column("tta", sa.Boolean),
        sa.Column("file_name", text(255)),
        sa.Column("sha256", ascii_(64)),
        sa.Column("class_name", text(200)),
        sa.Column("confidence", sa.Float),
        sa.Column("unknown", sa.Boolean),
        sa.Column("unknown_score", sa.Float),
        sa.Column("most_probable", text(1500)),
        sa.PrimaryKeyConstraint("id", name="pk_predictions", mssql_clustered=False),
    )
    op.create_table(
        "generations",
        sa.Column("id", ID, nullable=False),
        sa.Column("at_utc", MOMENT, nullable=False),
        sa.Column("model_name", text(200)),
        sa.Column("model_version", sa.Integer),
        sa.Column("artifact_digest", ascii_(64)),
        sa.Column("engine", ascii_(32)),
        sa.Column("asked", sa.Integer),
        sa.Column("seed", sa.BigInteger),
        sa.Column("class_name", text(200)),
        sa.Column("made", sa.Integer, nullable=False),
        sa.Column("output_sha256", ascii_(64)),
        sa.PrimaryKeyConstraint("id", name="pk_generations", mssql_clustered=False),
    )
    op.create_table(
        "feedback",
        sa.Column("id", ID, nullable=False),
        sa.Column("at_utc", MOMENT, nullable=False),
        sa.Column("prediction_id", ID, nullable=False),
        sa.Column("true_class", text(200), nullable=False),
        sa.Column("user_name", text(100)),
        sa.Column("told_at_utc", MOMENT),
        sa.Column("told_class", text(200)),
        sa.Column("model_name", text(200)),
        sa.Column("model_version", sa.Integer),
        sa.PrimaryKeyConstraint("id", name="pk_feedback", mssql_clustered=False),
    )
    op.create_table(
        "hourly",
        sa.Column("dimension", ascii_(16), nullable=False),
        sa.Column("hour_utc", MOMENT, nullable=False),
        sa.Column("part", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("number", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("name", text(200), nullable=False),
        sa.Column("class_name", text(200)),
        sa.Column("model_version", sa.Integer),
        sa.Column("answered", sa.BigInteger, nullable=False),
        sa.Column("refused", sa.BigInteger, nullable=False),
        sa.Column("failed", sa.BigInteger, nullable=False),
        sa.Column("images", sa.BigInteger, nullable=False),
        sa.Column("unknown", sa.BigInteger, nullable=False),
        sa.Column("confidence_sum", sa.Float, nullable=False),
        sa.Column("histogram", ascii_(8000), nullable=False),
        sa.PrimaryKeyConstraint("dimension", "hour_utc", "part", "number", name="pk_hourly"),
    )


def _take_from_requests() -> None:
    """The moved columns go, and the rows lie by time."""
    backend = op.get_context().dialect.name
    op.drop_index("ix_requests_at_utc", table_name="requests")
    if backend == "sqlite":  # the table is written once, not for each column
        with op.batch_alter_table("requests") as table:
            for column in answers.MOVED:
                table.drop_column(column.name)
    else:
        for column in answers.MOVED:
            op.drop_column("requests", column.name)
    if backend == "postgresql":
        op.alter_column("requests", "id", type_=ID)
    if backend == "mssql":
        op.drop_constraint("pk_requests", "requests", type_="primary")
        for name, kind, length, nullable in COMPARED:
            op.alter_column("requests", name, type_=kind(length), existing_nullable=nullable)
        _compare_users_to_the_letter()
    op.create_index("ix_requests_at_utc", "requests", ["at_utc", "id"], mssql_clustered=True)
    if backend == "mssql":
        op.execute(BESIDE_THE_ROWS)


def _compare_users_to_the_letter() -> None:
    op.drop_constraint("pk_users", "users", type_="primary")
    op.alter_column("users", "name", type_=text(100), existing_nullable=False)
    op.create_primary_key("pk_users", "users", ["name"])


def downgrade() -> None:
    """Back to one table. What has no place there is lost: corrections, what else was probable, and
    the counts of hours whose rows were pruned.
    """
    _keep_others_out("requests", "predictions", "generations")
    for column in answers.MOVED:
        op.add_column("requests", column.copy())
    answers.bring_back(op.get_bind())
    op.drop_index("ix_requests_at_utc", table_name="requests")
    if op.get_context().dialect.name == "mssql":
        op.drop_constraint("pk_requests", "requests", type_="primary")
        for name, kind, length, nullable in COMPARED:
            plain = PLAIN[kind](length)
            op.alter_column("requests", name, type_=plain, existing_nullable=nullable)
        op.create_primary_key("pk_requests", "requests", ["id"])
    op.create_index("ix_requests_at_utc", "requests", ["at_utc"])
    for name in MADE:
        op.drop_table(name)
