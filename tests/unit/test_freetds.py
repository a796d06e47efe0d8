"""What FreeTDS sends to a SQL Server, and what is made of what the server answers.

The server here speaks TDS and stores in SQLite: see tests/tds_server.py.
"""

import math
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from leafgate.errors import UserError
from sql import (
    Entry,
    FeedbackRecord,
    GenerationRecord,
    LogSettings,
    RequestLog,
    delete_user,
    open_database,
    rebuild_counts,
)
from sql.busy import is_busy
from sql.inserting import MAX_PARAMETERS, insert_rows
from sql.mover import is_refusal
from sql.records import Rows, rows_of
from sql.refusals import is_duplicate
from sql.schema import feedback, generations, predictions, requests
from sql.storing import store
from tests.databases import rename_table
from tests.requirements import freetds
from tests.running_log import PATIENCE, START, counted, entry, ids, stored_ids
from tests.tds_server import Refusal, Statement, TdsServer, tds_server
from tests.unit.test_many_requests import sums


@pytest.fixture
def server(migrated_file: Path, tmp_path: Path) -> Iterator[TdsServer]:
    """A server with LeafGate's tables."""
    file = tmp_path / "server.db"
    shutil.copy(migrated_file, file)
    with tds_server(file) as running:
        yield running


@pytest.fixture
def engine(server: TdsServer) -> Iterator[sa.Engine]:
    """FreeTDS's way to it."""
    options = f"driver={freetds()}&port={server.port}&TDS_Version=7.4"
    engine = open_database(f"mssql+pyodbc://ada:secret@127.0.0.1/leaves?{options}")
    yield engine
    engine.dispose()


@pytest.fixture
def behind(server: TdsServer) -> Iterator[sa.Engine]:
    """What the server stored."""
    engine = open_database(f"sqlite:///{server.file}")
    yield engine
    engine.dispose()


def many(number: int) -> list[Rows]:
    return [rows_of(entry(each).as_json()) for each in range(number)]


def test_as_many_rows_go_in_a_statement_as_its_parameters_allow(
    server: TdsServer, engine: sa.Engine, behind: sa.Engine
) -> None:
    store(engine, many(1500))
    for table in (requests, predictions):
        sent = server.inserts(table.name)
        columns = sent[0].sql.partition("(")[2].partition(")")[0].count(",") + 1
        assert columns < len(table.columns) - 3  # those that are NULL in all rows are left out
        rows = [len(each.values) // columns for each in sent]
        assert max(len(each.values) for each in sent) <= MAX_PARAMETERS
        assert MAX_PARAMETERS - len(sent[0].values) < columns
        assert (sum(rows), len(rows)) == (1500, math.ceil(1500 / rows[0]))
        with behind.connect() as connection:
            distinct = sa.select(sa.func.count(), sa.func.count(table.c.id.distinct()))
            assert connection.execute(distinct).one() == (1500, 1500)
    assert counted(behind) == 1500


def test_few_columns_do_not_make_more_than_a_thousand_rows(
    server: TdsServer, engine: sa.Engine, behind: sa.Engine
) -> None:
    table = sa.Table("few", sa.MetaData(), sa.Column("id", sa.Integer, nullable=False))
    table.create(behind)
    with engine.begin() as connection:
        insert_rows(connection, table, [{"id": number} for number in range(2500)])
    assert [len(each.values) for each in server.inserts("few")] == [1000, 1000, 500]


def test_one_statement_for_all_pages_so_that_the_server_keeps_its_plan(
    server: TdsServer, engine: sa.Engine
) -> None:
    """By itself FreeTDS declares each text as long as it is: another statement for each page."""
    texts = ("", "a", "längere Namen", "🍂" * 20, "x" * 90)
    entries = [
        rows_of(entry(n, user_name=texts[n % 5] or None, endpoint="/" + "e" * (n % 7)).as_json())
        for n in range(1000)
    ]
    store(engine, entries)
    for table in (requests, predictions):
        *whole, _ = server.inserts(table.name)
        assert len(whole) > 2
        assert len({(each.sql, each.types) for each in whole}) == 1


def test_values_arrive_as_they_were_sent(
    server: TdsServer, engine: sa.Engine, behind: sa.Engine
) -> None:
    texts = (None, "", "a", "'; DROP TABLE requests; --", "葉枯病", "🍂" * 127 + "x", "é" * 255)
    sent = []
    for number, text in enumerate(texts):
        at = START + timedelta(days=number, milliseconds=number * 37)
        whole = entry(number, at_utc=at, user_name=text and text[:50])
        (image,) = whole.predictions
        image = replace(
            image,
            file_name=text,
            tta=(None, True, False)[number % 3],
            unknown=number % 2 == 0,
            unknown_score=(None, 1e-300, -0.1, 2.5)[number % 4],
            model_version=(None, 2**31 - 1)[number % 2],
            most_probable=f'[["{"葉" * 300}", 0.5]]' if number % 2 else None,
        )
        made = GenerationRecord(id=whole.request.id, at_utc=at, seed=2**62 + number, made=number)  # type: ignore[union-attr]
        said = FeedbackRecord(id=f"f{number}", at_utc=at, prediction_id=image.id, true_class="葉")
        sent.append(rows_of(replace(whole, predictions=(image,), generation=made).as_json()))
        sent.append(rows_of(Entry(feedback=said).as_json()))
    store(engine, sent)
    with behind.connect() as connection:
        for table in (requests, predictions, generations):
            rows = connection.execute(sa.select(table).order_by(table.c.id)).mappings().all()
            assert [dict(row) for row in rows] == [
                row for each in sent for row in each.get(table.name, ())
            ]
        told = connection.scalars(sa.select(feedback.c.told_class)).all()
        assert told == ["rust"] * len(texts)


def test_rows_that_are_not_all_there_are_an_error_and_none_stays(
    server: TdsServer, engine: sa.Engine, behind: sa.Engine
) -> None:
    server.lost = 1
    with pytest.raises(RuntimeError, match="40 rows were sent, and 39 stored"):
        store(engine, many(40))
    assert stored_ids(behind) == []


def test_what_is_stored_already_is_left_out(
    server: TdsServer, engine: sa.Engine, behind: sa.Engine
) -> None:
    store(engine, many(50))
    store(engine, many(300))
    assert stored_ids(behind) == ids(range(300))
    assert counted(behind) == 300


def test_a_bad_row_in_a_block_costs_its_neighbours_nothing(
    server: TdsServer, engine: sa.Engine, behind: sa.Engine, tmp_path: Path
) -> None:
    log = RequestLog(engine, tmp_path / "outbox", LogSettings())
    for number in range(1, 301):
        log.record(entry(number, endpoint=None if number == 177 else "/predict"))
    assert log.flush(PATIENCE)
    assert log.set_aside == 1
    log.close(PATIENCE)
    assert stored_ids(behind) == [each for each in ids(range(1, 301)) if each[-3:] != "177"]
    bad = ids(range(177, 178))[0]
    sent = [len(each.values) for each in server.inserts("requests") if bad in each.values]
    assert len(sent) <= 11  # halves of halves
    assert sum(size < 16 for size in sent) == 1  # alone only once


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (515, "refused"),
        (547, "refused"),
        (2628, "refused"),
        (8152, "refused"),
        (8023, "refused"),
        (2627, "duplicate"),
        (2601, "duplicate"),
        (1205, "busy"),
        (1222, "busy"),
        (40613, "busy"),
        (9002, "busy"),
    ],
)
def test_the_driver_tells_the_server_s_number(
    server: TdsServer, engine: sa.Engine, number: int, expected: str
) -> None:
    tries: list[Statement] = []
    with engine.connect():
        pass  # what SQLAlchemy asks a new server
    server.refuse = refusing("INSERT INTO requests", number, tries)
    with pytest.raises(DBAPIError) as raised:
        store(engine, many(1))
    found = raised.value
    told = (is_duplicate(found), is_refusal(found) and not is_duplicate(found), is_busy(found))
    assert dict(zip(("duplicate", "refused", "busy"), told, strict=True)) == {
        name: name == expected for name in ("duplicate", "refused", "busy")
    }
    assert len(tries) == (2 if expected == "duplicate" else 1)


def refusing(words: str, number: int, tries: list[Statement]) -> Callable[[Statement], None]:
    def refuse(statement: Statement) -> None:
        if words in statement.sql:
            tries.append(statement)
            raise Refusal(number, f"What was wrong ({words})")

    return refuse


def test_an_isolation_level_that_the_server_refuses_is_a_failed_recount(
    server: TdsServer, engine: sa.Engine
) -> None:
    with engine.connect():
        pass
    server.refuse = refusing("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", 5030, [])
    with pytest.raises(UserError, match="What was wrong") as raised:
        rebuild_counts(engine)
    assert raised.value.code == "recount_failed"


def test_a_rollback_that_the_server_refuses_hides_nothing(
    server: TdsServer, engine: sa.Engine
) -> None:
    with engine.connect():
        pass
    tries: list[Statement] = []
    server.refuse = refusing("ROLLBACK", 3903, tries)
    with pytest.raises(UserError) as raised:
        delete_user(engine, "nobody", "ada")
    assert raised.value.code == "no_such_user"
    assert tries


def test_counts_are_summed_up_by_a_statement_that_the_server_takes(
    server: TdsServer, engine: sa.Engine, behind: sa.Engine
) -> None:
    store(engine, many(40))
    told, stored = sums(engine), sums(behind)  # of times the server has texts
    assert {tuple(map(str, row)) for row in told} == {
        (each[0], f"{each[1]}.000000", *map(str, each[2:])) for each in stored
    }
    assert any("GROUP BY" in each.sql for each in server.statements)


def test_a_table_is_renamed_in_the_server_s_way(
    server: TdsServer, engine: sa.Engine, behind: sa.Engine
) -> None:
    with engine.begin() as connection:
        rename_table(connection, "predictions", "away")
    assert {"away", "requests"} <= set(sa.inspect(behind).get_table_names())


def test_every_test_that_renames_a_table_does_it_so() -> None:
    tests = Path(__file__).resolve().parents[1]
    own = re.compile(r"ALTER TABLE [a-z_]+ RENAME")
    found = [file.name for file in tests.rglob("*.py") if own.search(file.read_text("utf-8"))]
    assert found == [Path(__file__).name], "use tests.databases.rename_table"


@pytest.mark.parametrize(
    ("words", "number"),
    [
        ("ALTER TABLE predictions RENAME TO away", "102"),
        ("SELECT id FROM requests LIMIT 1", "102"),
        ("SELECT replace(id, ?, 'b') FROM requests GROUP BY replace(id, ?, 'b')", "8120"),
    ],
)
def test_what_other_databases_take_is_refused_here(
    engine: sa.Engine, words: str, number: str
) -> None:
    with engine.connect() as connection, pytest.raises(DBAPIError, match=number):
        connection.exec_driver_sql(words, ("a",) * words.count("?"))
