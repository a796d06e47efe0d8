"""What is logged of a request, and how it lies in the outbox: as JSON with the columns' names.

Texts are cut to the length of their column before the outbox, and end in "…" there (in "~" where
the column holds plain letters), so that an entry is no larger than its rows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import isfinite
from typing import Any, NamedTuple

import sqlalchemy as sa
from pydantic_core import from_json, to_json

from sql.schema import feedback, generations, predictions, requests


@dataclass(frozen=True, kw_only=True)
class RequestRecord:
    """One request as it is stored. at_utc: aware; images: in the request, or made for it.

    request_count: the requests that it stands for; more than one where they were only counted.
    source: the address; client: the program, by the name it gives itself; None: not recorded.
    """

    id: str
    at_utc: datetime
    method: str
    endpoint: str
    status: int
    latency_ms: float
    user_name: str | None = None
    source: str | None = None
    images: int = 0
    model_name: str | None = None
    model_version: int | None = None
    error_code: str | None = None
    request_count: int = 1
    client: str | None = None


@dataclass(frozen=True, kw_only=True)
class PredictionRecord:
    """One image that was to be classified. id: the request's own, where it is its only image.

    position: among the request's images; lane: production, canary or shadow; tta: over the eight
    positions of the square; sha256: of the uploaded bytes, hex; most_probable: JSON; explanation:
    of /explain, which `rows_of` notes by the request.
    """

    id: str
    request_id: str
    at_utc: datetime
    status: int
    latency_ms: float
    position: int = 0
    error_code: str | None = None
    lane: str | None = None
    model_name: str | None = None
    model_version: int | None = None
    artifact_digest: str | None = None
    engine: str | None = None
    tta: bool | None = None
    file_name: str | None = None
    sha256: str | None = None
    class_name: str | None = None
    confidence: float | None = None
    unknown: bool | None = None
    unknown_score: float | None = None
    most_probable: str | None = None
    explanation: bool = False


@dataclass(frozen=True, kw_only=True)
class GenerationRecord:
    """One request for pictures, whose id it has. output_sha256: of all their pixels, in order;
    to_seed: they lie on the way there from `seed`; reader_name, reader_version: of the classifier
    that read them; read_classes: as what, see sql/read_classes.py.
    """

    id: str
    at_utc: datetime
    model_name: str | None = None
    model_version: int | None = None
    artifact_digest: str | None = None
    engine: str | None = None
    asked: int | None = None
    seed: int | None = None
    class_name: str | None = None
    made: int = 0
    output_sha256: str | None = None
    to_seed: int | None = None
    reader_name: str | None = None
    reader_version: int | None = None
    read_classes: str | None = None


@dataclass(frozen=True, kw_only=True)
class FeedbackRecord:
    """What a person says that an image shows. told_class, model_name, model_version and
    told_at_utc: of the answer; noted when the row is stored.
    """

    id: str
    at_utc: datetime
    prediction_id: str
    true_class: str
    user_name: str | None = None
    told_at_utc: datetime | None = None
    told_class: str | None = None
    model_name: str | None = None
    model_version: int | None = None


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What is stored together or not at all: a request and its parts, or a part that came later."""

    request: RequestRecord | None = None
    predictions: tuple[PredictionRecord, ...] = ()
    generation: GenerationRecord | None = None
    feedback: FeedbackRecord | None = None

    def as_json(self) -> str:
        """As it lies in the outbox."""
        parts: dict[str, Sequence[Any]] = {
            "requests": [self.request] if self.request else [],
            "predictions": self.predictions,
            "generations": [self.generation] if self.generation else [],
            "feedback": [self.feedback] if self.feedback else [],
        }
        rows = {
            name: [bounded(name, vars(each)) for each in records]
            for name, records in parts.items()
            if records
        }
        return to_json(rows, inf_nan_mode="null").decode()


EXPLAIN = "/explain"  # the endpoint whose images are diagnosed elsewhere, if at all

Row = dict[str, Any]
Rows = dict[str, list[Row]]  # by the name of their table
TABLES: dict[str, sa.Table] = {
    table.name: table for table in (requests, predictions, generations, feedback)
}


class Text(NamedTuple):
    """A column of text. length: in units of UTF-16; mark: the end of a text that was cut."""

    name: str
    length: int
    mark: str


def _length(column: sa.Column[Any]) -> int | None:
    return column.type.length if isinstance(column.type, sa.String) else None


_KNOWN = {
    name: tuple((column.name, _length(column)) for column in table.columns)
    for name, table in TABLES.items()
}
_TEXTS = {
    name: tuple(
        Text(column.name, length, "…" if isinstance(column.type, sa.Unicode) else "~")
        for column in table.columns
        if (length := _length(column)) is not None
    )
    for name, table in TABLES.items()
}
_FLOATS = {
    name: tuple(column.name for column in table.columns if isinstance(column.type, sa.Float))
    for name, table in TABLES.items()
}
_DEFAULTS = {
    ("requests", "images"): 0,
    ("requests", "request_count"): 1,
    ("predictions", "position"): 0,
    ("predictions", "explanation"): False,
    ("generations", "made"): 0,
}


def bounded(table: str, values: Mapping[str, Any]) -> Mapping[str, Any]:
    """The values of a row with every text cut to its column's length, and without what no database
    can hold (lone surrogates, NUL).
    """
    changed = {}
    for name, length, mark in _TEXTS[table]:
        value = values.get(name)
        if value is None or (len(value) <= length and value.isascii() and "\0" not in value):
            continue
        changed[name] = _bounded(value, length, mark)
    return {**values, **changed} if changed else values


def _bounded(value: str, length: int, mark: str) -> str:
    value = value[: length + 1]  # never more characters than units
    value = value.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")
    kept = _cut(value, length)
    return value if kept == value else _cut(value, length - 1) + mark


def rows_of(text: str) -> Rows:
    """The rows of an entry as they are stored. What another version of LeafGate wrote is taken as
    far as it is known here. Raises ValueError for what is no entry.
    """
    found = from_json(text)
    if not isinstance(found, dict):
        raise ValueError("not an entry")
    rows = {name: [_row(name, each) for each in found[name]] for name in TABLES if found.get(name)}
    asked = rows.get("requests")
    if asked and asked[0]["endpoint"] == EXPLAIN:
        for prediction in rows.get("predictions", ()):
            prediction["explanation"] = True
    return rows


def _row(table: str, found: Mapping[str, Any]) -> Row:
    row: Row = {}
    for name, length in _KNOWN[table]:
        value = found.get(name)
        if value is None:
            value = _DEFAULTS.get((table, name))
        elif length is not None and (len(value) > length or not value.isascii()):
            value = _cut(value, length)
        row[name] = value
    for name in _FLOATS[table]:  # an older LeafGate wrote NaN, which SQL Server refuses
        if row[name] is not None and not isfinite(row[name]):
            row[name] = None
    row["at_utc"] = naive_utc(datetime.fromisoformat(row["at_utc"]))
    return row


def _cut(value: str, length: int) -> str:
    """SQL Server counts what is beyond 16 bits twice, an emoji for one."""
    units = value.encode("utf-16-le", "surrogatepass")
    return value if len(units) <= 2 * length else units[: 2 * length].decode("utf-16-le", "ignore")


def naive_utc(moment: datetime) -> datetime:
    """The moment as it is stored: UTC without a zone, cut to milliseconds."""
    utc = moment.astimezone(UTC)
    return utc.replace(tzinfo=None, microsecond=utc.microsecond // 1000 * 1000)


def unix_seconds(stored: datetime) -> float:
    """The Unix time of a moment as it is stored."""
    return stored.replace(tzinfo=UTC).timestamp()


def is_storable(text: str) -> bool:
    """Whether every database can hold the text: no lone surrogate, no NUL."""
    return "\0" not in text and text.encode("utf-8", "replace").decode() == text
