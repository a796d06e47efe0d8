"""Fills a request log with as many requests as asked, over as many days, with counts and all.

Members are as many as a busy service might have: 20 users, 200 sources (some much busier than
others), 3 clients, 15 classes, 3 versions, 6 endpoints; about one image a request, alone or in
batches; one in twenty requests fails or is refused; of one image in a thousand somebody says what
it shows. The last two days are not settled yet, and each of their hours lies in four parts, as in a
log that is being written.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import sqlalchemy as sa

from sql.inserting import insert_rows
from sql.schema import feedback, hourly, predictions, requests
from sql.tallies import DAY, Tallies, Tally, add_prediction, add_request, part_of, settled_parts
from sql.told import noted

Row = dict[str, Any]

ENDPOINTS = ("/predict", "/explain", "/predict/batch", "/generate", "/token", "/feedback")
SHARES = (0.62, 0.08, 0.04, 0.06, 0.12, 0.08)
BATCHES = (2, 4, 8, 8, 16)
STATUSES = (200, 401, 422, 429, 500, 503)
STATUS_SHARES = (0.95, 0.01, 0.01, 0.01, 0.01, 0.01)
USERS = tuple(f"user-{number}" for number in range(20))
SOURCES = tuple(f"10.0.{number // 20}.{number % 20}" for number in range(200))
SOURCE_SHARES = (lambda weights: weights / weights.sum())(1 / np.arange(5, 205))
CLIENTS, CLIENT_SHARES = ("api", "dashboard", "browser"), (0.7, 0.25, 0.05)
CLASSES = tuple(f"Tomato___disease_{number}" for number in range(15))
VERSION_SHARES = (0.15, 0.8, 0.05)  # of 1, 2 and 3
MODEL = "leaf-classifier"
DIGEST, TOP = "d" * 64, '[["Tomato___disease_1",0.91],["Tomato___disease_2",0.05]]'
CORRECTED = 0.001  # of the images
FRESH_DAYS, FRESH_PARTS = 2, 4


@dataclass(frozen=True)
class Size:
    """How much to make. until: naive, in UTC."""

    requests: int
    days: int
    until: datetime


def fill(engine: sa.Engine, size: Size, seed: int = 0) -> Iterator[datetime]:
    """Fill an empty log day by day, each in one transaction; yields each day that is done. Goes on
    where it was left.
    """
    last = None
    with engine.connect() as connection:
        last = connection.scalar(sa.select(sa.func.max(requests.c.at_utc)))
    since = size.until - timedelta(days=size.days)
    a_second = size.requests / (size.days * DAY.total_seconds())
    while since < size.until:
        until = min(since.replace(hour=0, minute=0, second=0, microsecond=0) + DAY, size.until)
        if last is None or since > last:
            rng = np.random.default_rng([seed, _unix_ms(since)])
            count = round(a_second * (until - since).total_seconds())
            _store(engine, a_day(rng, since, until, count), size.until)
            yield since
        since = until


@dataclass(frozen=True)
class Made:
    """Rows of some time, each in the order of time."""

    requests: list[Row]
    predictions: list[Row]
    feedback: list[Row]


def a_day(rng: np.random.Generator, since: datetime, until: datetime, count: int) -> Made:
    """So many requests between two moments, with all that belongs to them."""
    moments = np.sort(rng.integers(0, (until - since) // timedelta(milliseconds=1), count))
    ids = _ids(rng, since, moments)
    picked = zip(
        *(rng.choice(each, count, p=shares).tolist() for each, shares in CHOICES),
        strict=True,
    )
    latencies = (rng.gamma(2, 20, count) + 5).tolist()
    batches = rng.choice(BATCHES, count).tolist()
    made: list[Row] = []
    for number, (endpoint, status, user, source, client, version) in enumerate(picked):
        ok, images = status == 200, IMAGES[endpoint] or batches[number]
        model = ok and images > 0
        made.append(
            {
                "id": ids[number],
                "at_utc": since + timedelta(milliseconds=int(moments[number])),
                "method": "POST",
                "endpoint": endpoint,
                "status": status,
                "latency_ms": latencies[number] * (1 + 0.2 * max(images, 0)),
                "user_name": None if status == 401 else user,
                "source": source,
                "images": max(images, 0),
                "model_name": MODEL if model else None,
                "model_version": version if model else None,
                "error_code": None if ok else "some_problem",
                "request_count": 1,
                "client": client,
            }
        )
    told = list(_predictions(rng, made))
    return Made(made, told, _feedback(rng, told))


IMAGES = dict(zip(ENDPOINTS, (1, 1, 0, 4, -1, -1), strict=True))  # 0: by the batch; -1: none
CHOICES: tuple[tuple[Any, Any], ...] = (
    (ENDPOINTS, SHARES),
    (STATUSES, STATUS_SHARES),
    (USERS, None),
    (SOURCES, SOURCE_SHARES),
    (CLIENTS, CLIENT_SHARES),
    ((1, 2, 3), VERSION_SHARES),
)


def _ids(rng: np.random.Generator, since: datetime, moments: np.ndarray) -> list[str]:
    """UUIDv7 of the moments."""
    start = _unix_ms(since)
    texts = [f"{start + moment:012x}" for moment in moments.tolist()]
    random = rng.integers(0, 1 << 60, len(texts)).tolist()
    return [
        f"{text[:8]}-{text[8:]}-7{number >> 48:03x}-8000-{number & (1 << 48) - 1:012x}"
        for text, number in zip(texts, random, strict=True)
    ]


def _unix_ms(moment: datetime) -> int:
    return int(moment.replace(tzinfo=UTC).timestamp() * 1000)


def _predictions(rng: np.random.Generator, made: Sequence[Row]) -> Iterator[Row]:
    asked = [row for row in made if row["model_name"] and row["endpoint"] != "/generate"]
    total = sum(row["images"] for row in asked)
    classes = iter(rng.choice(CLASSES, total, p=_class_shares()).tolist())
    sure = iter(np.round(rng.beta(6, 1, total), 4).tolist())
    for row in asked:
        for position in range(row["images"]):
            identifier, confidence = row["id"], next(sure)
            if row["images"] > 1:
                identifier = f"{identifier[:19]}{position:04x}{identifier[23:]}"
            yield {
                "id": identifier,
                "request_id": row["id"],
                "position": position,
                "at_utc": row["at_utc"],
                "status": 200,
                "error_code": None,
                "latency_ms": row["latency_ms"],
                "lane": "production",
                "model_name": MODEL,
                "model_version": row["model_version"],
                "artifact_digest": DIGEST,
                "engine": "openvino-bf16",
                "tta": False,
                "file_name": "leaf.jpg",
                "sha256": DIGEST,
                "class_name": next(classes),
                "confidence": confidence,
                "unknown": confidence < 0.4,
                "unknown_score": 1 - confidence,
                "most_probable": TOP,
                "explanation": row["endpoint"] == "/explain",
            }


def _class_shares() -> np.ndarray:
    weights = 1 / np.arange(2, 2 + len(CLASSES))
    return weights / weights.sum()


def _feedback(rng: np.random.Generator, told: Sequence[Row]) -> list[Row]:
    found = []
    for number in np.flatnonzero(rng.random(len(told)) < CORRECTED).tolist():
        row = told[number]
        right = rng.random() < 0.85
        found.append(
            {
                "id": f"{row['id'][:14]}f{row['id'][15:]}",
                "at_utc": row["at_utc"] + timedelta(minutes=5),
                "prediction_id": row["id"],
                "true_class": row["class_name"] if right else str(rng.choice(CLASSES)),
                "user_name": "user-1",
                **noted(row),
            }
        )
    return found


def _store(engine: sa.Engine, made: Made, until: datetime) -> None:
    fresh = made.requests[-1]["at_utc"] > until - FRESH_DAYS * DAY if made.requests else False
    with engine.begin() as connection:
        insert_rows(connection, requests, made.requests)
        insert_rows(connection, predictions, made.predictions)
        insert_rows(connection, feedback, made.feedback)
        if not fresh:
            insert_rows(connection, hourly, settled_parts(_counted(made, 0, 1)))
            return
        for number in range(FRESH_PARTS):
            insert_rows(connection, hourly, part_of(_counted(made, number, FRESH_PARTS)))


def _counted(made: Made, first: int, step: int) -> Tallies:
    found: Tallies = defaultdict(Tally)
    by_id = {row["id"]: row for row in made.requests}
    for row in made.requests[first::step]:
        add_request(found, row)
    for row in made.predictions[first::step]:
        of = by_id[row["request_id"]]
        add_prediction(found, row, of["user_name"], of["source"])
    return found
