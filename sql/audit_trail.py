"""The audit trail in the table `audit`: rows are added and read, never changed.

Two who add the same number meet at the primary key, where the database lets one of them win: that
is the compare-and-set that promotions of one model queue at.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, fields
from types import NoneType
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from leafgate.audit import AuditRecord
from leafgate.errors import UserError
from sql.connections import opened, transaction
from sql.schema import audit

# Where a field's own name is a word of SQL, or differs from the other tables'.
COLUMN_NAMES = {"model": "model_name", "by": "caused_by", "key": "key_id"}
COLUMNS = {
    each.name: audit.c[COLUMN_NAMES.get(each.name, each.name)] for each in fields(AuditRecord)
}
VERSIONS = ("from_version", "to_version", "previous_version")
TYPES: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(COLUMNS, (str,)),
    **dict.fromkeys(VERSIONS, (int, NoneType)),
    "number": (int,),
}


class SqlAuditTrail:
    """A `leafgate.audit.AuditTrail` in a database that `migrate` has brought up to date.

    Every call raises UserError: `audit_unreachable` where the database does not answer, and
    `audit_unsound` for a row that no record fits in.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine

    def append(self, record: AuditRecord) -> bool:
        """Store the record. False, and nothing changed, where its number is taken already."""
        row = {COLUMNS[name].name: value for name, value in asdict(record).items()}
        with self._answering():
            try:
                with transaction(self.engine) as connection:
                    connection.execute(audit.insert(), row)
            except IntegrityError:
                if not self._read(record.model, COLUMNS["number"] == record.number):
                    raise
                return False
        return True

    def records(self, model: str) -> tuple[AuditRecord, ...]:
        """All records of a model, by number."""
        with self._answering():
            return self._read(model)

    def last(self, model: str) -> AuditRecord | None:
        """The newest record of a model, None where there is none."""
        newest = (
            sa.select(sa.func.max(COLUMNS["number"]))
            .where(COLUMNS["model"] == model)
            .scalar_subquery()
        )
        with self._answering():
            found = self._read(model, COLUMNS["number"] == newest)
        return found[0] if found else None

    def _read(self, model: str, *conditions: sa.ColumnElement[bool]) -> tuple[AuditRecord, ...]:
        query = (
            sa.select(*(column.label(name) for name, column in COLUMNS.items()))
            .where(COLUMNS["model"] == model, *conditions)
            .order_by(COLUMNS["number"])
        )
        with opened(self.engine) as connection:
            return tuple(_record(model, dict(row)) for row in connection.execute(query).mappings())

    @contextmanager
    def _answering(self) -> Iterator[None]:
        try:
            yield
        except (DBAPIError, PoolTimeoutError) as error:
            cause = str(getattr(error, "orig", error)).partition("\n")[0]
            place = self.engine.url.render_as_string()
            raise UserError(
                f"the audit trail at {place} does not answer ({cause})",
                "check that the database is up, that LEAFGATE_DATABASE_URL is right and that "
                "`leafgate db migrate` has run",
                code="audit_unreachable",
            ) from error


def _record(model: str, row: Mapping[str, Any]) -> AuditRecord:
    """The record of a row. SQLite keeps values of any type in any column."""
    wrong = [name for name, value in row.items() if not isinstance(value, TYPES[name])]
    if wrong:
        raise UserError(
            f"the audit of {model} is not sound: {wrong[0]} of record {str(row['number'])[:20]} is "
            f"no {' or '.join(kind.__name__ for kind in TYPES[wrong[0]])}",
            f"delete that row, then `leafgate models audit {model} --restore`",
            code="audit_unsound",
        )
    return AuditRecord(**row)
