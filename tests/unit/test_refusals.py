"""A row that will never be taken is set aside at once; what passes by is tried again."""

from datetime import UTC, datetime
from typing import Any

import pyodbc
import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

import sql.storing
from sql import Entry, GenerationRecord
from sql.busy import is_busy
from sql.connections import wrapped
from sql.mover import is_refusal
from sql.records import Rows, rows_of
from sql.refusals import is_duplicate, is_refused
from sql.storing import store
from tests.running_log import PATIENCE, StartLog, entry, ids, stored_ids

FREETDS, MICROSOFT = (
    "[FreeTDS][SQL Server]",
    "[Microsoft][ODBC Driver 18 for SQL Server][SQL Server]",
)
ENDED = "; [01000] The statement has been terminated. (3621)"


def said(kind: type[pyodbc.Error], state: str, number: int, driver: str, more: str = "") -> Any:
    """An error of SQL Server's as SQLAlchemy raises it."""
    engine = sa.create_engine("mssql+pyodbc://x", module=pyodbc)
    text = f"[{state}] {driver}What was wrong (with 'it'). ({number}) (SQLExecDirectW){more}"
    return wrapped(engine, kind(state, text), "INSERT")


@pytest.mark.parametrize("driver", [FREETDS, MICROSOFT])
@pytest.mark.parametrize("more", ["", ENDED])
@pytest.mark.parametrize(
    ("state", "number", "expected"),
    [
        ("23000", 2627, "duplicate"),
        ("23000", 2601, "duplicate"),
        ("23000", 515, "refused"),
        ("23000", 547, "refused"),
        ("22001", 8152, "refused"),
        ("42000", 2628, "refused"),  # FreeTDS knows no state for it
        ("HY000", 2628, "refused"),
        ("22003", 8115, "refused"),
        ("42000", 8023, "refused"),
        ("22018", 245, "refused"),
        ("40001", 1205, "busy"),
        ("42000", 1205, "busy"),
        ("HYT00", 1222, "busy"),
        ("42000", 1222, "busy"),
        ("HY000", 40613, "busy"),
        ("42000", 3960, "busy"),
        ("08S01", 20006, "busy"),
        ("08007", 0, "busy"),
        ("42000", 9002, "busy"),
        ("42S02", 208, "neither"),
        ("42000", 102, "neither"),
    ],
)
def test_sql_server_says_by_its_number_whether_a_row_may_yet_be_taken(
    driver: str, more: str, state: str, number: int, expected: str
) -> None:
    kinds = {"23000": pyodbc.IntegrityError, "22001": pyodbc.DataError, "HY000": pyodbc.Error}
    error = said(kinds.get(state, pyodbc.ProgrammingError), state, number, driver, more)
    found = (is_duplicate(error), is_refused(error), is_busy(error))
    assert (
        found
        == {
            "duplicate": (True, True, False),
            "refused": (False, True, False),
            "busy": (False, False, True),
            "neither": (False, False, False),
        }[expected]
    )
    assert is_refusal(error) is is_refused(error)


def test_the_number_counts_wherever_it_stands() -> None:
    text = f"[01000] {FREETDS}Terminated. (3621) (SQLExecute); [23000] {FREETDS}No NULL. (515)"
    engine = sa.create_engine("mssql+pyodbc://x", module=pyodbc)
    error = wrapped(engine, pyodbc.Error("01000", text), "INSERT")
    assert is_refused(error)
    assert not is_duplicate(error)


def test_a_value_that_a_driver_cannot_send_is_the_entry_s_fault(database: sa.Engine) -> None:
    row = rows_of(entry(1).as_json())
    row["requests"][0]["latency_ms"] = {"a": 1}
    with pytest.raises(Exception) as raised:
        store(database, [row])
    assert is_refusal(raised.value)


@pytest.fixture
def tries(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many entries were tried at once, one for each try."""
    found: list[int] = []
    insert = sql.storing._insert_all

    def note(connection: sa.Connection, entries: list[Rows]) -> None:
        found.append(len(entries))
        insert(connection, entries)

    monkeypatch.setattr(sql.storing, "_insert_all", note)
    return found


@pytest.mark.parametrize("name", ["method", "status", "at_utc", "endpoint"])
def test_a_row_without_a_value_that_must_be_there_is_tried_once(
    database: sa.Engine, tries: list[int], name: str
) -> None:
    rows = rows_of(entry(1).as_json())
    if name == "at_utc":
        rows["predictions"][0]["at_utc"] = None  # of a request it says the hour
    else:
        rows["requests"][0][name] = None
    with pytest.raises(DBAPIError) as raised:
        store(database, [rows])
    assert tries == [1]
    assert is_refusal(raised.value)


def test_a_row_that_is_too_long_or_out_of_range_is_tried_once(
    database: sa.Engine, tries: list[int]
) -> None:
    rows = rows_of(Entry(generation=GenerationRecord(id="1", at_utc=datetime.now(UTC))).as_json())
    rows["generations"][0]["seed"] = 2**70
    with pytest.raises(Exception) as raised:
        store(database, [rows])
    assert tries == [1]
    assert is_refusal(raised.value)


def test_two_entries_with_one_key_are_not_tried_again_and_again(
    database: sa.Engine, tries: list[int]
) -> None:
    """They differ in the key of the entry, and have a prediction in common."""
    one, other = (rows_of(entry(number).as_json()) for number in (1, 2))
    other["predictions"][0]["id"] = one["predictions"][0]["id"]
    with pytest.raises(DBAPIError) as raised:
        store(database, [one, other])
    assert is_duplicate(raised.value)
    assert tries == [2, 2]


def test_one_bad_row_among_many_costs_its_neighbours_nothing_and_few_tries(
    database: sa.Engine, start_log: StartLog, tries: list[int]
) -> None:
    log = start_log()
    for number in range(1, 129):
        log.record(entry(number, endpoint=None if number == 77 else "/predict"))
    assert log.flush(PATIENCE)
    assert log.set_aside == 1
    assert stored_ids(database) == [each for each in ids(range(1, 129)) if each[-2:] != "77"]
    assert sum(size == 1 for size in tries) <= 4
    log.close(PATIENCE)


def test_a_number_that_no_column_holds_is_set_aside_and_others_go_in(
    database: sa.Engine, start_log: StartLog
) -> None:
    log = start_log()
    log.record(entry(1))
    log.record(Entry(generation=GenerationRecord(id="x", at_utc=datetime.now(UTC), seed=2**70)))
    log.record(entry(2))
    assert log.flush(PATIENCE)
    assert log.set_aside == 1
    assert stored_ids(database) == ids(range(1, 3))
    log.close(PATIENCE)
