"""Many entries at once, from several who have the same ones: each is stored and counted once."""

import json
import random
import threading
from collections import defaultdict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from sql import open_database
from sql.records import (
    Entry,
    FeedbackRecord,
    GenerationRecord,
    PredictionRecord,
    RequestRecord,
    Row,
    Rows,
    rows_of,
)
from sql.schema import feedback, generations, hourly, predictions, requests
from sql.storing import store

START = datetime(2026, 5, 1, 23, 50, tzinfo=UTC)
CLASSES = ("rust", "Rust", "葉枯病", "Blattläuse 🐛", "")
NUMBER = 5000
SUMS = ("answered", "refused", "failed", "images", "unknown", "confidence_sum")


def entries(number: int) -> list[Entry]:
    """One in ten of each is a batch of three, a series of pictures, a shadow, a correction."""
    draw = random.Random(number)
    return [entry(draw, each) for each in range(number)]


def entry(draw: random.Random, number: int) -> Entry:
    at = START + timedelta(seconds=number, milliseconds=draw.randrange(1000))
    known: dict[str, Any] = {"id": f"{number:036d}", "at_utc": at}
    kind = number % 10
    if kind == 1:
        return Entry(predictions=(prediction(draw, known, str(number), lane="shadow"),))
    if kind == 2:
        said = draw.choice(CLASSES[:4])
        return Entry(feedback=FeedbackRecord(**known, prediction_id=f"{0:036d}", true_class=said))
    request = RequestRecord(
        **known,
        method="POST",
        endpoint="/generate" if kind == 3 else "/predict",
        status=draw.choice((200, 200, 200, 422, 500)),
        latency_ms=draw.lognormvariate(3, 1),
        user_name=draw.choice((None, "ada", "Zoë 🍂")),
        source=draw.choice((None, "10.0.0.7")),
        images=3 if kind == 4 else 1,
        model_name="leaf",
        model_version=draw.choice((None, 1, 2)),
        error_code=None,
    )
    if kind == 3:
        made = GenerationRecord(**known, seed=draw.randrange(2**62), made=4)
        return Entry(request=request, generation=made)
    if kind != 4:
        return Entry(request=request, predictions=(prediction(draw, known, request.id),))
    several = [{**known, "id": f"{number:033d}-{place:02d}"} for place in range(3)]
    items = (
        prediction(draw, each, request.id, position=place) for place, each in enumerate(several)
    )
    return Entry(request=request, predictions=tuple(items))


def prediction(
    draw: random.Random, known: dict[str, Any], request_id: str, **more: object
) -> PredictionRecord:
    values: dict[str, Any] = {
        **known,
        "request_id": request_id,
        "status": 200,
        "latency_ms": 1.5,
        "lane": "production",
        "model_version": draw.choice((None, 1, 2)),
        "file_name": draw.choice((None, "", "🍂" * 300)),
        "class_name": draw.choice((None, *CLASSES)),
        "confidence": draw.choice((None, draw.randrange(1025) / 1024)),  # sums are exact
        "unknown": draw.choice((None, True, False)),
        "tta": draw.choice((None, True, False)),
        "most_probable": json.dumps([["葉", 0.5]] * draw.randrange(90), ensure_ascii=False),
        **more,
    }
    return PredictionRecord(**values)


NOTED = ("told_at_utc", "told_class", "model_name", "model_version")


def as_sent(row: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is noted beside feedback when it is stored."""
    of_feedback = "true_class" in row
    return {name: row[name] for name in row if not (of_feedback and name in NOTED)}


def test_what_four_send_twice_at_once_is_stored_and_counted_once(database: sa.Engine) -> None:
    sent = [rows_of(each.as_json()) for each in entries(NUMBER)]

    def send(sender: int) -> None:
        """All of it in batches that overlap the others', in an order of its own."""
        draw = random.Random(sender)
        starts = list(range(0, NUMBER, 250)) * 2
        draw.shuffle(starts)
        for start in starts[: len(starts) // 2 + 5] if sender else starts:
            batch = sent[start : start + 250 + 40 * sender]
            draw.shuffle(batch)
            store(database, batch)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(send, range(4)))
    with database.connect() as connection:
        for table in (requests, predictions, generations, feedback):
            rows = [row for each in sent for row in each.get(table.name, ())]
            found = connection.execute(sa.select(table)).mappings().all()
            assert len(found) == len(rows) == len({row["id"] for row in found})
            assert {row["id"]: as_sent(dict(row)) for row in found} == {
                row["id"]: as_sent(row) for row in rows
            }
        assert summed(connection, "endpoint") == traffic(sent)
        assert summed(connection, "class") == diagnoses(sent)


def test_two_who_send_the_same_in_opposite_orders_do_not_wait_for_each_other(
    database: sa.Engine,
) -> None:
    """A deadlock would end one of them with an error."""
    (some,) = (rows_of(each.as_json())["requests"][0] for each in entries(1))
    sent: list[Rows] = [{"requests": [{**some, "id": f"{each:036d}"}]} for each in range(9000)]
    start = threading.Barrier(2, timeout=10)

    def send(step: int) -> None:
        for first in range(0, len(sent), 3000):
            start.wait()
            store(database, sent[first : first + 3000][::step])

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(send, (1, -1)))
    with database.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(requests)) == len(sent)


def hour(row: Row) -> datetime:
    moment: datetime = row["at_utc"]
    return moment.replace(minute=0, second=0, microsecond=0)


def traffic(sent: list[Rows]) -> dict[Any, list[float]]:
    """By hour and endpoint: answered, refused, failed, images; counted one by one."""
    found: dict[Any, list[float]] = defaultdict(lambda: [0] * 6)
    for row in (row for each in sent for row in each.get("requests", ())):
        key = (
            row["at_utc"].replace(minute=0, second=0, microsecond=0),
            row["endpoint"],
            None,
            None,
        )
        found[key][(row["status"] >= 400) + (row["status"] >= 500)] += 1
        found[key][3] += row["images"]
    return found


def diagnoses(sent: list[Rows]) -> dict[Any, list[float]]:
    """By hour, model, class and version: answered, unknown, sum of confidences; without shadows."""
    found: dict[Any, list[float]] = defaultdict(lambda: [0] * 6)
    for row in (row for each in sent for row in each.get("predictions", ())):
        if row["class_name"] is None or row["lane"] == "shadow":
            continue
        counted = found[hour(row), row["model_name"] or "", row["class_name"], row["model_version"]]
        counted[0] += 1
        counted[4] += row["unknown"] or 0
        counted[5] += row["confidence"] or 0
    return found


def summed(connection: sa.Connection, dimension: str) -> dict[Any, list[float]]:
    """The hourly counts of a dimension: its parts added up."""
    columns = [hourly.c[name] for name in SUMS]
    names = (hourly.c.hour_utc, hourly.c.name, hourly.c.class_name, hourly.c.model_version)
    query = sa.select(*names, *columns).where(hourly.c.dimension.in_((dimension, f"{dimension}/h")))
    found: dict[Any, list[float]] = defaultdict(lambda: [0] * 6)
    for row in connection.execute(query):
        key, values = tuple(row[:4]), row[4:]
        found[key] = [old + new for old, new in zip(found[key], values, strict=True)]
    return found


def test_an_entry_is_stored_whole_or_not_at_all(database: sa.Engine) -> None:
    good, bad = (rows_of(each.as_json()) for each in entries(5)[3:5])
    bad["predictions"][1]["request_id"] = None
    with pytest.raises(IntegrityError):
        store(database, [good, bad])
    with database.connect() as connection:
        for table in (requests, predictions, generations, hourly):
            assert connection.scalar(sa.select(sa.func.count()).select_from(table)) == 0


def test_text_is_cut_where_sql_server_would_refuse_it() -> None:
    """It counts 16 bits, and an emoji takes 32. What was cut ends in a mark."""
    draw = random.Random(1)
    for name, kept in (
        ("🍂" * 300, "🍂" * 127 + "…"),
        ("é" * 300, "é" * 254 + "…"),
        ("x" * 300, "x" * 254 + "…"),
        ("x" * 255, "x" * 255),
    ):
        known = {"id": "1", "at_utc": START}
        made = Entry(predictions=(prediction(draw, known, "1", file_name=name),))
        assert rows_of(made.as_json())["predictions"][0]["file_name"] == kept


def test_freetds_is_given_many_rows_in_one_statement() -> None:
    """As many as SQL Server takes: 2,100 parameters, 1,000 rows."""
    dialect = open_database("mssql+pyodbc://ada@127.0.0.1/x?driver=FreeTDS").dialect
    assert dialect.insertmanyvalues_max_parameters < 2100
    assert dialect.insertmanyvalues_page_size <= 1000
