"""What requests were answered with, between the one table of 0004 and the several of 0005.

The statements see the columns of both; the migration makes them before, and drops them after.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from leafgate.strict_json import dump_json

AT_ONCE = 1000  # rows that go through Python, since three databases read JSON in three ways

MOVED = (
    sa.Column("file_name", sa.Unicode(255)),
    sa.Column("sha256", sa.String(64)),
    sa.Column("class_name", sa.Unicode(200)),
    sa.Column("confidence", sa.Float),
    sa.Column("artifact_digest", sa.String(64)),
    sa.Column("engine", sa.String(32)),
    sa.Column("lane", sa.String(16)),
    sa.Column("part_of", sa.String(36)),
    sa.Column("unknown", sa.Boolean),
    sa.Column("unknown_score", sa.Float),
    sa.Column("parameters", sa.Unicode(500)),
    sa.Column("output_sha256", sa.String(64)),
)
OF_REQUESTS = (
    *("id", "at_utc", "method", "endpoint", "status", "latency_ms", "user_name"),
    *("source", "images", "model_name", "model_version", "error_code"),
)
OF_ANSWERS = ("model_name", "model_version", "artifact_digest", "engine", "class_name")
# What a prediction says that its request says too, before and after.
OF_PARTS = ("id", "at_utc", "status", "error_code", "latency_ms", "model_name", "model_version")
OF_IMAGES = (
    *("artifact_digest", "engine", "lane", "file_name", "sha256", "class_name", "confidence"),
    *("unknown", "unknown_score"),
)


def _table(name: str, *columns: str) -> sa.TableClause:
    return sa.table(name, *(sa.column(each) for each in columns))


REQUESTS = _table("requests", *OF_REQUESTS, *(column.name for column in MOVED))
PREDICTIONS = _table("predictions", *OF_PARTS, *OF_IMAGES, "request_id", "position", "tta")
GENERATIONS = _table(
    "generations", "id", "at_utc", *OF_ANSWERS, "asked", "seed", "made", "output_sha256"
)


def move(connection: sa.Connection) -> None:
    """Into tables of their own. A part of a request is no request any more."""
    _move_images(connection)
    _move_generations(connection)
    connection.execute(sa.delete(REQUESTS).where(REQUESTS.c.part_of.is_not(None)))


def bring_back(connection: sa.Connection) -> None:
    """Into `requests`, as far as it has room for them."""
    _bring_images_back(connection)
    _bring_generations_back(connection)


def _move_images(connection: sa.Connection) -> None:
    """A row for each image: of a request with one, of a part of a request, of a shadow."""
    read = REQUESTS.c
    of_images = sa.or_(
        *(read[name].is_not(None) for name in ("class_name", "part_of", "sha256", "file_name"))
    )
    is_shadow = sa.case((read.lane == "shadow", 1), else_=0)
    is_item = read.part_of.is_not(None) & (is_shadow == 0)
    place = sa.func.row_number().over(partition_by=[read.part_of, is_shadow], order_by=read.id)
    looked_at_often = read.parameters.like('{"tta": true%')
    values = {
        **{name: read[name] for name in (*OF_PARTS, *OF_IMAGES)},
        "request_id": sa.func.coalesce(read.part_of, read.id),
        "position": sa.case((is_item, place - 1), else_=0),
        "tta": sa.case((looked_at_often, sa.true()), else_=sa.null()),
    }
    rows = sa.select(*values.values()).where(of_images)
    connection.execute(PREDICTIONS.insert().from_select(list(values), rows))


def _move_generations(connection: sa.Connection) -> None:
    read = REQUESTS.c
    is_begun = sa.or_(
        *(read[name].is_not(None) for name in ("model_version", "parameters", "output_sha256"))
    )
    asked_for = sa.select(REQUESTS).where(read.endpoint == "/generate", is_begun)
    for rows in _pieces(connection, asked_for, read.id):
        connection.execute(GENERATIONS.insert(), [_generation(row) for row in rows])


def _pieces(
    connection: sa.Connection, query: sa.Select[Any], key: sa.ColumnElement[Any]
) -> Iterator[list[Any]]:
    """Rows in the order of a unique key, piece by piece: each read whole before one is written."""
    piece = query.order_by(key).limit(AT_ONCE)
    rows = connection.execute(piece).mappings().all()
    while rows:
        yield list(rows)
        rows = connection.execute(piece.where(key > rows[-1]["id"])).mappings().all()


def _generation(row: Any) -> dict[str, Any]:  # noqa: ANN401 - a row
    asked = _asked(row["parameters"])
    return {
        **{name: row[name] for name in ("id", "at_utc", *OF_ANSWERS, "output_sha256")},
        "class_name": asked.get("class"),
        "asked": asked.get("n"),
        "seed": asked.get("seed"),
        "made": row["images"],
    }


def _asked(parameters: str | None) -> dict[str, Any]:
    """As they were written; of a text that was cut off at the column's end, the numbers."""
    try:
        return dict(json.loads(parameters or "{}"))
    except ValueError:
        found = re.findall(r'"(n|seed)": (\d+),', parameters or "")
        return {name: int(number) for name, number in found}


def _bring_images_back(connection: sa.Connection) -> None:
    """Into the row of their request where they are its only image, as rows of their own else."""
    read = PREDICTIONS.c
    parent = REQUESTS.alias("parent")
    parameters = sa.case((read.tta == sa.true(), '{"tta": true}'), else_=sa.null())
    connection.execute(
        sa.update(REQUESTS)
        .where(REQUESTS.c.id == read.id, read.request_id == read.id)
        .values(parameters=parameters, **{name: read[name] for name in OF_IMAGES})
    )
    values = {
        **{name: read[name] for name in (*OF_PARTS, *OF_IMAGES)},
        "parameters": parameters,
        "part_of": read.request_id,
        "user_name": parent.c.user_name,
        "method": sa.literal("POST"),
        "endpoint": sa.func.coalesce(parent.c.endpoint, "/predict"),
        "images": sa.literal(0),
    }
    rows = (
        sa.select(*values.values())
        .select_from(PREDICTIONS.outerjoin(parent, parent.c.id == read.request_id))
        .where((read.id != read.request_id) | parent.c.id.is_(None))
    )
    connection.execute(REQUESTS.insert().from_select(list(values), rows))


def _bring_generations_back(connection: sa.Connection) -> None:
    kept = ("artifact_digest", "engine", "output_sha256")
    into = (
        sa.update(REQUESTS)
        .where(REQUESTS.c.id == sa.bindparam("of"))
        .values(parameters=sa.bindparam("asked"), **{name: sa.bindparam(name) for name in kept})
    )
    for rows in _pieces(connection, sa.select(GENERATIONS), GENERATIONS.c.id):
        connection.execute(
            into,
            [
                {**{name: row[name] for name in kept}, "of": row["id"], "asked": _words(row)}
                for row in rows
            ],
        )


def _words(row: Any) -> str | None:  # noqa: ANN401 - a row
    asked = {"n": row["asked"], "seed": row["seed"], "class": row["class_name"]}
    if all(value is None for value in asked.values()):
        return None
    return dump_json(asked)
