"""Hourly counts are made anew from rows alone: those of pruned hours stay as they are."""

import threading
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from sql import (
    prune,
    rebuild_counts,
)
from sql.records import (
    Entry,
    PredictionRecord,
    naive_utc,
    rows_of,
)
from sql.rollups import merge_parts
from sql.schema import hourly
from sql.storing import store_entries
from sql.tallies import tally
from tests.log_entries import HOUR, MINUTE, NOON, counts, entry, fill, ids


def test_counts_are_made_anew_from_rows_alone_and_pruned_hours_left(database: sa.Engine) -> None:
    fill(database, [NOON + n * 20 * MINUTE for n in range(12)])
    right = counts(database)
    prune(database, NOON + HOUR)
    with database.begin() as connection:  # what rebuild-counts is for: somebody meddled
        wrong = hourly.c.hour_utc == naive_utc(NOON + 3 * HOUR)
        connection.execute(hourly.delete().where(wrong))
    assert counts(database) != right
    assert rebuild_counts(database) == naive_utc(NOON + 2 * HOUR)
    assert counts(database) == right
    assert rebuild_counts(database) == naive_utc(NOON + 2 * HOUR)
    assert counts(database) == right


def test_counts_survive_being_made_anew_after_an_interrupted_pruning(database: sa.Engine) -> None:
    fill(database, [NOON + n * MINUTE for n in range(120)])
    right = counts(database)

    def interrupt(table: str, _rows: int) -> None:
        if table == "requests":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prune(database, NOON + HOUR, 7, interrupt)
    assert len(ids(database)) == 113
    rebuild_counts(database)
    assert counts(database) == right
    prune(database, NOON + HOUR, 7)
    assert len(ids(database)) == 60
    rebuild_counts(database)
    assert counts(database) == right


def test_a_prediction_whose_request_went_with_the_hour_before_keeps_its_user(
    database: sa.Engine,
) -> None:
    across = entry(0, NOON - timedelta(milliseconds=1))
    (prediction,) = across.predictions
    later = PredictionRecord(**{**vars(prediction), "at_utc": NOON})
    store_entries(database, [Entry(request=across.request, predictions=(later,))])
    fill_later = [entry(1, NOON), entry(2, NOON + 3 * HOUR)]
    store_entries(database, fill_later)
    right = counts(database)
    prune(database, NOON)
    rebuild_counts(database)
    assert counts(database) == right
    assert counts(database)["class_user", naive_utc(NOON), "ada", "rust", 1] == 2


def test_counts_are_right_when_made_anew_while_others_write_and_merge(
    database: sa.Engine,
) -> None:
    moments = [NOON + n * MINUTE for n in range(200)]
    fill(database, moments[:100])

    def write() -> None:
        for number in range(100, 200, 2):
            pair = [entry(n, moments[n]) for n in (number, number + 1)]
            store_entries(database, pair)
            if number % 20 == 0:
                with suppress(sa.exc.DBAPIError):  # it is tried again by and by
                    merge_parts(database, naive_utc(NOON), 2)

    writer = threading.Thread(target=write)
    writer.start()
    while writer.is_alive():
        rebuild_counts(database)
        writer.join(0.05)  # SQLite lets in whoever happens to ask, not who has waited longest
    right: dict[Any, int] = {
        key: counted.answered
        for key, counted in tally(
            rows_of(entry(n, at).as_json()) for n, at in enumerate(moments)
        ).items()
    }
    assert counts(database) == right
