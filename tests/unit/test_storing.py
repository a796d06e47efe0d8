"""Storing entries: once each, cut to their columns, in UTC, of any version."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
import sqlalchemy as sa

from sql import Entry, GenerationRecord
from sql.records import rows_of
from sql.schema import generations, hourly, predictions, requests
from sql.storing import store, store_entries
from tests.running_log import counted, entry, ids, stored_ids


def test_an_entry_stored_already_is_neither_stored_nor_counted_twice(database: sa.Engine) -> None:
    store_entries(database, [entry(1), entry(2)])
    store_entries(database, [entry(2), entry(3), entry(3)])
    assert stored_ids(database) == ids(range(1, 4))
    assert counted(database) == 3


def test_text_longer_than_its_column_is_cut(database: sa.Engine) -> None:
    long = replace(entry(1).predictions[0], file_name="ü" * 999, error_code="x" * 99)
    store_entries(database, [Entry(request=entry(1).request, predictions=(long,))])
    with database.connect() as connection:
        row = connection.execute(sa.select(predictions)).one()
    assert (len(row.file_name), len(row.error_code)) == (255, 64)


def test_times_are_stored_in_utc_with_milliseconds(database: sa.Engine) -> None:
    east = timezone(timedelta(hours=2))
    moment = datetime(2026, 1, 1, 1, 30, 0, 123_987, east)
    store_entries(database, [entry(1, at_utc=moment)])
    with database.connect() as connection:
        stored = connection.scalar(sa.select(requests.c.at_utc))
        hour = connection.scalar(sa.select(hourly.c.hour_utc).limit(1))
    assert stored == datetime(2025, 12, 31, 23, 30, 0, 123_000)
    assert hour in (datetime(2025, 12, 31, 23), datetime(2026, 1, 1, 0))


def test_an_entry_of_another_version_is_taken_as_far_as_it_is_known(database: sa.Engine) -> None:
    text = entry(1).as_json().replace('"status":200', '"status":200,"colour":"green"')
    store(database, [rows_of(text.replace('"images":0,', ""))])
    with database.connect() as connection:
        assert connection.scalar(sa.select(requests.c.images)) == 0
    with pytest.raises(ValueError, match="not an entry"):
        rows_of("[]")


def test_pictures_that_were_logged_before_there_were_ways_lead_nowhere(database: sa.Engine) -> None:
    made = GenerationRecord(id="made", at_utc=datetime.now(UTC), seed=7, to_seed=9, made=4)
    text = Entry(generation=made).as_json()
    old = text.replace(',"to_seed":9', "").replace('"made"', '"old"', 1)
    store(database, [rows_of(text), rows_of(old)])
    with database.connect() as connection:
        found = connection.execute(sa.select(generations.c.id, generations.c.to_seed)).all()
    assert dict(map(tuple, found)) == {"made": 9, "old": None}
