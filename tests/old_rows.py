"""Rows as the first schemas had them, and what the tables of today should hold of them."""

import json
import random
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

Row = dict[str, Any]

START = datetime(2026, 3, 1, 22, 15)
CLASSES = ("rust", "Rust", "Blattläuse 🐛", "葉枯病", 'it\'s \\ "odd" 100%')
FIRST = (
    *("id", "at_utc", "method", "endpoint", "status", "latency_ms", "user_name", "source"),
    *("images", "file_name", "sha256", "model_name", "model_version", "class_name"),
    *("confidence", "error_code"),
)
OF_REQUESTS = (*FIRST[:9], "model_name", "model_version", "error_code")
OF_IMAGES = (
    *("id", "at_utc", "status", "latency_ms", "error_code", "lane", "model_name"),
    *("model_version", "artifact_digest", "engine", "file_name", "sha256", "class_name"),
    *("confidence", "unknown", "unknown_score"),
)


@dataclass(frozen=True)
class Expected:
    """Rows by id: of `requests`, `predictions` and `generations`."""

    requests: dict[str, Row]
    predictions: dict[str, Row]
    generations: dict[str, Row]


class Writer:
    """Makes the rows that the service of those days would have logged, with ids that sort by time.

    first: of the first schema, where a row says nothing but what was answered.
    """

    def __init__(self, seed: int, first: bool = False) -> None:
        self.random, self.first, self.made = random.Random(seed), first, 0

    def rows(self, number: int) -> list[Row]:
        """At least so many; each with every column of schema 0004, or of the first one."""
        kinds = (self._single, self._refused, self._generated, self._batch, self._shadowed)
        found: list[Row] = []
        while len(found) < number:
            found += self.random.choice(kinds[:3] if self.first else kinds)()
        return [{name: row.get(name) for name in FIRST} for row in found] if self.first else found

    def _row(self, **known: object) -> Row:
        self.made += 1
        draw = self.random
        moment = START + timedelta(seconds=self.made // 3, milliseconds=draw.randrange(1000))
        return {
            **dict.fromkeys((*FIRST, *OF_IMAGES, "part_of", "parameters", "output_sha256")),
            "id": f"0195{self.made:08x}-7000-8000-{draw.getrandbits(48):012x}"[:36],
            "at_utc": moment,
            "method": "POST",
            "endpoint": "/predict",
            "status": 200,
            "latency_ms": draw.uniform(0.1, 900),
            "images": 0,
            "user_name": draw.choice((None, "ada", "Zoë 🍂")),
            "source": draw.choice((None, "10.0.0.7", "2001:db8::1")),
            **known,
        }

    def _answer(self, lane: str = "production") -> Row:
        draw = self.random
        return {
            **self._model(draw.randrange(1, 4), lane),
            "sha256": f"{draw.getrandbits(256):064x}",
            "class_name": draw.choice(CLASSES),
            "confidence": draw.random(),
            "unknown": draw.choice((True, False, None)),
            "unknown_score": draw.choice((draw.random(), None)),
            "parameters": draw.choice((None, json.dumps({"tta": True}))),
        }

    def _model(self, version: int, lane: str) -> Row:
        known = {"artifact_digest": "d" * 64, "engine": "openvino", "lane": lane}
        return {"model_name": "leaf-classifier", "model_version": version, **known}

    def _single(self) -> list[Row]:
        file_name = self.random.choice((None, "Blatt 🍂.jpg", "x" * 255))
        return [self._row(images=1, file_name=file_name, **self._answer())]

    def _refused(self) -> list[Row]:
        draw = self.random
        failed = {"sha256": f"{draw.getrandbits(256):064x}", "error_code": "not_an_image"}
        return [
            self._row(status=422, images=1, file_name="x.txt", **failed)
            if draw.random() < 0.5
            else self._row(status=401, error_code="bad_token")
        ]

    def _generated(self) -> list[Row]:
        draw = self.random
        asked = {"n": 5, "seed": draw.randrange(2**53), "class": draw.choice((None, *CLASSES))}
        parameters, made = json.dumps(asked), {"output_sha256": "e" * 64}
        if draw.random() < 0.1:  # cut off where the column ended
            parameters = json.dumps({**asked, "class": "葉" * 200})[:500]
        model = self._model(2, "production")
        status = draw.choice((200, 500))
        known = {"status": status, "images": 5 if status == 200 else 0, "parameters": parameters}
        return [
            self._row(endpoint="/generate", **model, **known, **(made if status == 200 else {}))
        ]

    def _batch(self) -> list[Row]:
        whole = self._row(endpoint="/predict/batch", images=3)
        belongs = {"part_of": whole["id"], "source": None, "user_name": whole["user_name"]}
        items = []
        for number in range(3):
            failed = {"status": 422, "error_code": "not_an_image"}
            said = self._answer() if number != 1 else failed
            named = {"file_name": f"{number}.png", "endpoint": "/predict/batch"}
            items.append(self._row(**belongs, **named, **said))
        return [whole, *items]

    def _shadowed(self) -> list[Row]:
        (row,) = self._single()
        belongs = {"part_of": row["id"], "source": None, "user_name": row["user_name"]}
        return [row, self._row(**belongs, file_name=row["file_name"], **self._answer("shadow"))]


def expected(rows: list[Row]) -> Expected:
    """What the tables should hold of these rows, of whichever of the first schemas."""
    places: dict[str, int] = defaultdict(int)
    predictions = {}
    for row in sorted(rows, key=lambda row: str(row["id"])):
        of = row.get("part_of")
        if not (of or row["sha256"] or row["class_name"] or row["file_name"]):
            continue
        is_item = of is not None and row["lane"] != "shadow"
        predictions[row["id"]] = {
            **{name: row.get(name) for name in OF_IMAGES},
            "request_id": of or row["id"],
            "position": places[str(of)] if is_item else 0,
            "tta": True if row.get("parameters") == '{"tta": true}' else None,
            "most_probable": None,
            "explanation": False,
        }
        if is_item:
            places[str(of)] += 1
    return Expected(
        {
            row["id"]: {name: row[name] for name in OF_REQUESTS}
            | {"request_count": 1, "client": None}
            for row in rows
            if row.get("part_of") is None
        },
        predictions,
        {row["id"]: _generation(row) for row in rows if row["endpoint"] == "/generate"},
    )


def _generation(row: Row) -> Row:
    text = row.get("parameters") or "{}"
    if not text.endswith("}"):
        text = text[: text.index(', "class"')] + "}"
    asked = json.loads(text)
    kept = ("id", "at_utc", "model_name", "model_version", "artifact_digest", "engine")
    return {
        **{name: row.get(name) for name in (*kept, "output_sha256")},
        "class_name": asked.get("class"),
        "asked": asked.get("n"),
        "seed": asked.get("seed"),
        "made": row["images"],
        **dict.fromkeys(("to_seed", "reader_name", "reader_version", "read_classes")),
    }


def put(engine: sa.Engine, rows: list[Row]) -> None:
    """Into `requests`, as the schema has it at this moment."""
    table = sa.Table("requests", sa.MetaData(), autoload_with=engine)
    with engine.begin() as connection:
        connection.execute(table.insert(), rows)
