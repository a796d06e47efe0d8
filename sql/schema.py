"""The tables, once for SQLite, PostgreSQL and SQL Server.

Times are UTC with milliseconds, kept without a zone. Ids are UUIDv7 as text: they sort by time, so
rows are appended to the end of the clustered key and are found again by the id in the answer.
"""

import sqlalchemy as sa
from sqlalchemy.dialects import mssql

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Moment = sa.DateTime().with_variant(mssql.DATETIME2(3), "mssql")
Ascii = sa.String
Text = sa.Unicode  # NVARCHAR on SQL Server: names may be in any language
# A part of a key: compared to the letter, as elsewhere, and not by SQL Server's own collation.
Name = sa.Unicode(256).with_variant(
    mssql.NVARCHAR(256, collation="Latin1_General_100_BIN2"), "mssql"
)
# The id of a token (jti): two that differ in case alone are two.
TokenId = sa.String(255).with_variant(
    mssql.VARCHAR(255, collation="Latin1_General_100_BIN2"), "mssql"
)
Prose = sa.UnicodeText().with_variant(mssql.NVARCHAR(), "mssql")  # without a bound

requests = sa.Table(
    "requests",
    metadata,
    sa.Column("id", Ascii(36), primary_key=True),
    sa.Column("at_utc", Moment, nullable=False, index=True),
    sa.Column("method", Ascii(8), nullable=False),
    sa.Column("endpoint", Text(200), nullable=False),
    sa.Column("status", sa.SmallInteger, nullable=False),
    sa.Column("latency_ms", sa.Float, nullable=False),
    sa.Column("user_name", Text(100)),
    sa.Column("source", Ascii(64)),
    sa.Column("images", sa.Integer, nullable=False, server_default="0"),
    sa.Column("file_name", Text(255)),
    sa.Column("sha256", Ascii(64)),
    sa.Column("model_name", Text(200)),
    sa.Column("model_version", sa.Integer),
    sa.Column("class_name", Text(200)),
    sa.Column("confidence", sa.Float),
    sa.Column("error_code", Ascii(64)),
    # What an answer can be made again from: the files, the engine's form, what was asked.
    sa.Column("artifact_digest", Ascii(64)),
    sa.Column("engine", Ascii(32)),
    sa.Column("lane", Ascii(16)),
    sa.Column("part_of", Ascii(36)),
    sa.Column("unknown", sa.Boolean),
    sa.Column("unknown_score", sa.Float),
    sa.Column("parameters", Text(500)),
    sa.Column("output_sha256", Ascii(64)),
)

users = sa.Table(
    "users",
    metadata,
    sa.Column("name", Text(100), primary_key=True),
    sa.Column("password_hash", Ascii(255), nullable=False),
    sa.Column("scopes", Ascii(255), nullable=False),
    sa.Column("created_at_utc", Moment, nullable=False),
    sa.Column("disabled", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("plan", Text(64), nullable=False, server_default="standard"),
    sa.Column("tokens_revoked_at_utc", Moment),  # tokens issued until then are refused
)

revoked_tokens = sa.Table(
    "revoked_tokens",
    metadata,
    sa.Column("jti", TokenId, primary_key=True),
    sa.Column("expires_at_utc", Moment, nullable=False),
    sa.Column("revoked_at_utc", Moment, nullable=False),
    sa.Column("revoked_by", Text(200), nullable=False),
)

audit = sa.Table(
    "audit",
    metadata,
    sa.Column("model_name", Name, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("at_utc", Ascii(32), nullable=False),  # as text: it is part of what was signed
    sa.Column("who", Prose, nullable=False),
    sa.Column("action", Ascii(16), nullable=False),
    sa.Column("caused_by", Ascii(16), nullable=False),
    sa.Column("from_version", sa.Integer),
    sa.Column("to_version", sa.Integer),
    sa.Column("previous_version", sa.Integer),
    sa.Column("outcome", Prose, nullable=False),
    sa.Column("holder", Prose, nullable=False),
    sa.Column("policy_digest", Ascii(128), nullable=False),
    sa.Column("artifact_digest", Ascii(128), nullable=False),
    sa.Column("report", Prose, nullable=False),
    sa.Column("reason", Prose, nullable=False),
    sa.Column("previous_hash", Ascii(64), nullable=False),
    sa.Column("key_id", Ascii(16), nullable=False),
    sa.Column("hash", Ascii(64), nullable=False),
    sa.Column("signature", Ascii(128), nullable=False),
)
