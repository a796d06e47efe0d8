"""Finding what was answered, and all that is known of it, by the id that the caller has."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

import sqlalchemy as sa

from sql.by_ids import rows_by_ids
from sql.connections import opened
from sql.records import FeedbackRecord, GenerationRecord, PredictionRecord, RequestRecord
from sql.schema import feedback, generations, predictions, requests
from sql.tallies import SHADOW

Record = TypeVar("Record", RequestRecord, PredictionRecord, GenerationRecord, FeedbackRecord)


@dataclass(frozen=True)
class OneRequest:
    """A request with all that is known of it. predictions: by position, shadows after answers;
    feedback: on any of them, oldest first. request: None where only its parts are there.
    """

    request: RequestRecord | None
    predictions: tuple[PredictionRecord, ...]
    generation: GenerationRecord | None
    feedback: tuple[FeedbackRecord, ...]


def find_answer(
    engine: sa.Engine, identifier: str
) -> PredictionRecord | GenerationRecord | RequestRecord | None:
    """What is known under an id: of an image, of pictures made, else of the request alone."""
    with opened(engine) as connection:
        return (
            _find(connection, predictions, PredictionRecord, identifier)
            or _find(connection, generations, GenerationRecord, identifier)
            or _find(connection, requests, RequestRecord, identifier)
        )


def find_prediction(engine: sa.Engine, identifier: str) -> PredictionRecord | None:
    """What was told of an image, by its id: the request's, where it was the only one."""
    with opened(engine) as connection:
        return _find(connection, predictions, PredictionRecord, identifier)


def one_request(engine: sa.Engine, identifier: str) -> OneRequest | None:
    """The request of that id, or with an image of that id. None where there is none."""
    with opened(engine) as connection:
        image = _find(connection, predictions, PredictionRecord, identifier)
        request_id = image.request_id if image else identifier
        of_request = predictions.c.request_id == request_id
        images = _records(connection, predictions, PredictionRecord, of_request)
        found = OneRequest(
            _find(connection, requests, RequestRecord, request_id),
            tuple(sorted(images, key=lambda each: (each.lane == SHADOW, each.position, each.id))),
            _find(connection, generations, GenerationRecord, request_id),
            _feedback(connection, [each.id for each in images]),
        )
    return found if found.request or found.predictions or found.generation else None


def _feedback(connection: sa.Connection, ids: list[str]) -> tuple[FeedbackRecord, ...]:
    rows = rows_by_ids(connection, sa.select(feedback), feedback.c.prediction_id, ids)
    found = [_record(FeedbackRecord, row) for row in rows]
    return tuple(sorted(found, key=lambda each: (each.at_utc, each.id)))


def _find(
    connection: sa.Connection, table: sa.Table, kind: type[Record], identifier: str
) -> Record | None:
    found = _records(connection, table, kind, table.c.id == identifier)
    return found[0] if found else None


def _records(
    connection: sa.Connection,
    table: sa.Table,
    kind: type[Record],
    of: sa.ColumnElement[bool],
) -> list[Record]:
    rows = connection.execute(sa.select(table).where(of)).mappings()
    return [_record(kind, row) for row in rows]


def _record(kind: type[Record], row: sa.RowMapping) -> Record:
    return kind(**{name: _aware(value) for name, value in row.items()})


def _aware(value: Any) -> Any:  # noqa: ANN401 - of any column
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else value
