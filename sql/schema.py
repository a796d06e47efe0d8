"""The tables, once for SQLite, PostgreSQL and SQL Server.

Times are UTC with milliseconds, kept without a zone. Ids are UUIDv7 as text: they sort by time, so
new rows go to the end of every index, and the id in an answer is the one in every tool. There are
no foreign keys: rows of a request arrive together, but a shadow, a correction or a pruning does not
wait for the others. On SQL Server the large tables are clustered by time, since that is how they
are asked for and pruned.
"""

import sqlalchemy as sa
from sqlalchemy.dialects import mssql

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# Names are compared to the letter on every database. SQL Server's usual collations take "Rust" for
# "rust" and one emoji for another; and they make it read a whole table where a driver sends text
# as NVARCHAR to find it in VARCHAR, as FreeTDS does.
TO_THE_LETTER = "Latin1_General_100_BIN2"


def Ascii(length: int) -> sa.String:
    """Of plain letters: a word of ours, a hash, an address."""
    return sa.String(length).with_variant(mssql.VARCHAR(length, collation=TO_THE_LETTER), "mssql")


def Text(length: int) -> sa.Unicode:
    """In any language."""
    return sa.Unicode(length).with_variant(mssql.NVARCHAR(length, collation=TO_THE_LETTER), "mssql")


Moment = sa.DateTime().with_variant(mssql.DATETIME2(3), "mssql")
# Compared byte by byte on PostgreSQL too, where its own collation costs several times that.
Id = Ascii(36).with_variant(sa.String(36, collation="C"), "postgresql")
Prose = sa.UnicodeText().with_variant(mssql.NVARCHAR(), "mssql")  # without a bound


def _by_time(name: str) -> tuple[sa.PrimaryKeyConstraint, sa.Index]:
    """Keys of a large table: the rows lie by time, and are found by id."""
    return (
        sa.PrimaryKeyConstraint("id", name=f"pk_{name}", mssql_clustered=False),
        sa.Index(f"ix_{name}_at_utc", "at_utc", "id", mssql_clustered=True),
    )


# One row a request of HTTP, refused and failed ones too. request_count: the requests that a row
# stands for, more than one where refusals were only counted (serving/counted_requests.py). source:
# the address; client: the program that asked, by the name it gives itself (leafgate/clients.py).
requests = sa.Table(
    "requests",
    metadata,
    sa.Column("id", Id, nullable=False),
    sa.Column("at_utc", Moment, nullable=False),
    sa.Column("method", Ascii(8), nullable=False),
    sa.Column("endpoint", Text(200), nullable=False),
    sa.Column("status", sa.SmallInteger, nullable=False),
    sa.Column("latency_ms", sa.Float, nullable=False),
    sa.Column("user_name", Text(100)),
    sa.Column("source", Ascii(64)),
    sa.Column("images", sa.Integer, nullable=False, server_default="0"),
    sa.Column("model_name", Text(200)),
    sa.Column("model_version", sa.Integer),
    sa.Column("error_code", Ascii(64)),
    sa.Column("request_count", sa.Integer, nullable=False, server_default="1"),
    sa.Column("client", Ascii(32)),
    *_by_time("requests"),
)

# One row an image that was to be classified, whether it got an answer or not. The only image of a
# request has the request's id; each of several, and what a shadow said, has its own. explanation:
# of /explain, which shows why an image gets its class, and is no other diagnosis of it.
predictions = sa.Table(
    "predictions",
    metadata,
    sa.Column("id", Id, nullable=False),
    sa.Column("request_id", Id, nullable=False, index=True),
    sa.Column("position", sa.SmallInteger, nullable=False, server_default="0"),
    sa.Column("at_utc", Moment, nullable=False),
    sa.Column("status", sa.SmallInteger, nullable=False),
    sa.Column("error_code", Ascii(64)),
    sa.Column("latency_ms", sa.Float, nullable=False),
    sa.Column("lane", Ascii(16)),
    sa.Column("model_name", Text(200)),
    sa.Column("model_version", sa.Integer),
    # What the answer can be made again from: the files, the engine's form, the image's hash.
    sa.Column("artifact_digest", Ascii(64)),
    sa.Column("engine", Ascii(32)),
    sa.Column("tta", sa.Boolean),
    sa.Column("file_name", Text(255)),
    sa.Column("sha256", Ascii(64)),
    sa.Column("class_name", Text(200)),
    sa.Column("confidence", sa.Float),
    sa.Column("unknown", sa.Boolean),
    sa.Column("unknown_score", sa.Float),
    sa.Column("most_probable", Text(1500)),  # JSON: [[class, probability], …], up to five
    sa.Column("explanation", sa.Boolean, nullable=False, server_default=sa.false()),
    *_by_time("predictions"),
)

# One row a request for pictures, whose id it has; with its seed they can be made again. to_seed: of
# pictures on the way from one seed to another. reader_…, read_classes: which version of the
# classifier read them, and as what (sql/read_classes.py); a reading is no diagnosis.
generations = sa.Table(
    "generations",
    metadata,
    sa.Column("id", Id, nullable=False),
    sa.Column("at_utc", Moment, nullable=False),
    sa.Column("model_name", Text(200)),
    sa.Column("model_version", sa.Integer),
    sa.Column("artifact_digest", Ascii(64)),
    sa.Column("engine", Ascii(32)),
    sa.Column("asked", sa.Integer),
    sa.Column("seed", sa.BigInteger),
    sa.Column("class_name", Text(200)),
    sa.Column("made", sa.Integer, nullable=False),
    sa.Column("output_sha256", Ascii(64)),
    sa.Column("to_seed", sa.BigInteger),
    sa.Column("reader_name", Text(200)),
    sa.Column("reader_version", sa.Integer),
    sa.Column("read_classes", Text(4000)),
    *_by_time("generations"),
)

# What a person says an image shows; the newest of several for one prediction counts. What had been
# told is noted beside it when the row is stored, so that accuracy is read from few rows; where the
# prediction came later it is not, and is looked up when it is asked for.
feedback = sa.Table(
    "feedback",
    metadata,
    sa.Column("id", Id, nullable=False),
    sa.Column("at_utc", Moment, nullable=False),
    sa.Column("prediction_id", Id, nullable=False, index=True),
    sa.Column("true_class", Text(200), nullable=False),
    sa.Column("user_name", Text(100)),
    sa.Column("told_at_utc", Moment),
    sa.Column("told_class", Text(200)),
    sa.Column("model_name", Text(200)),
    sa.Column("model_version", sa.Integer),
    *_by_time("feedback"),
)

# Counts of an hour by one dimension. Whoever stores rows adds a part of its own in the same
# transaction, so the sum over the parts of an hour is exact at any moment; parts are merged later.
# What each dimension holds: sql/tallies.py.
hourly = sa.Table(
    "hourly",
    metadata,
    sa.Column("dimension", Ascii(16), nullable=False),
    sa.Column("hour_utc", Moment, nullable=False),
    sa.Column("part", sa.BigInteger, nullable=False, autoincrement=False),
    sa.Column("number", sa.Integer, nullable=False, autoincrement=False),
    sa.Column("name", Text(200), nullable=False),
    sa.Column("class_name", Text(200)),
    sa.Column("model_version", sa.Integer),
    sa.Column("answered", sa.BigInteger, nullable=False),
    sa.Column("refused", sa.BigInteger, nullable=False),
    sa.Column("failed", sa.BigInteger, nullable=False),
    sa.Column("images", sa.BigInteger, nullable=False),
    sa.Column("unknown", sa.BigInteger, nullable=False),
    sa.Column("confidence_sum", sa.Float, nullable=False),
    sa.Column("histogram", Ascii(8000), nullable=False),
    sa.PrimaryKeyConstraint("dimension", "hour_utc", "part", "number", name="pk_hourly"),
    sa.Index("ix_hourly_name", "dimension", "name", "hour_utc"),  # of one user, one source
)

users = sa.Table(
    "users",
    metadata,
    sa.Column("name", Text(100), primary_key=True),
    sa.Column("password_hash", sa.String(255), nullable=False),
    sa.Column("scopes", sa.String(255), nullable=False),
    sa.Column("created_at_utc", Moment, nullable=False),
    sa.Column("disabled", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("plan", sa.Unicode(64), nullable=False, server_default="standard"),
    sa.Column("tokens_revoked_at_utc", Moment),  # tokens issued until then are refused
)

revoked_tokens = sa.Table(
    "revoked_tokens",
    metadata,
    sa.Column("jti", Ascii(255), primary_key=True),
    sa.Column("expires_at_utc", Moment, nullable=False),
    sa.Column("revoked_at_utc", Moment, nullable=False),
    sa.Column("revoked_by", sa.Unicode(200), nullable=False),
)

audit = sa.Table(
    "audit",
    metadata,
    sa.Column("model_name", Text(256), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("at_utc", sa.String(32), nullable=False),  # as text: it is part of what was signed
    sa.Column("who", Prose, nullable=False),
    sa.Column("action", sa.String(16), nullable=False),
    sa.Column("caused_by", sa.String(16), nullable=False),
    sa.Column("from_version", sa.Integer),
    sa.Column("to_version", sa.Integer),
    sa.Column("previous_version", sa.Integer),
    sa.Column("outcome", Prose, nullable=False),
    sa.Column("holder", Prose, nullable=False),
    sa.Column("policy_digest", sa.String(128), nullable=False),
    sa.Column("artifact_digest", sa.String(128), nullable=False),
    sa.Column("report", Prose, nullable=False),
    sa.Column("reason", Prose, nullable=False),
    sa.Column("previous_hash", sa.String(64), nullable=False),
    sa.Column("key_id", sa.String(16), nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
    sa.Column("signature", sa.String(128), nullable=False),
)
