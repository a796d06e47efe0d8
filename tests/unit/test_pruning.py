"""Old rows go, oldest first, a few at a time and whole hours alone; the figures stay."""

import threading
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import mssql

from leafgate.errors import UserError
from sql import (
    prunable,
    prune,
    rebuild_counts,
    revoke_token,
)
from sql.pruning import PRUNED, _ByKey, pruned_until
from sql.records import (
    Entry,
    FeedbackRecord,
    naive_utc,
)
from sql.rollups import merge_parts, settle
from sql.schema import feedback, hourly, predictions, requests, revoked_tokens
from sql.storing import store_entries
from tests.log_entries import HOUR, MINUTE, NOON, TABLES, counts, entry, fill, ids


def test_rows_of_each_table_go_by_their_own_time(database: sa.Engine) -> None:
    fill(database, [NOON - MINUTE, NOON, NOON + MINUTE])
    late = FeedbackRecord(id="late", at_utc=NOON, prediction_id="00000000", true_class="mould")
    store_entries(database, [Entry(feedback=late)])
    gone = prune(database, NOON)
    assert gone.rows == {
        "predictions": 1,
        "generations": 1,
        "feedback": 1,
        "requests": 1,
        "revoked_tokens": 0,
    }
    for table in TABLES:
        assert [name for name in ids(database, table) if name != "late"] == ["00000001", "00000002"]
    assert "late" in ids(database, feedback)


def test_an_hour_goes_whole_or_stays_whole(database: sa.Engine) -> None:
    moments = [NOON - MINUTE, NOON, NOON + 29 * MINUTE, NOON + 59 * MINUTE]
    fill(database, moments)
    elsewhere = (NOON + 30 * MINUTE).astimezone(datetime.strptime("+0530", "%z").tzinfo)
    assert prune(database, elsewhere).before == naive_utc(NOON)
    assert ids(database) == ["00000001", "00000002", "00000003"]


def test_the_oldest_go_first_a_few_at_a_time(database: sa.Engine) -> None:
    shuffled = [7, 2, 9, 0, 4, 8, 1, 3, 6, 5]
    fill(database, [NOON + n * MINUTE for n in shuffled])
    left: list[set[int]] = []

    def look(table: str, _rows: int) -> None:
        if table == "requests":
            left.append({shuffled[int(name)] for name in ids(database)})

    prune(database, NOON + HOUR, 4, look)
    assert left == [{4, 5, 6, 7, 8, 9}, {8, 9}, set()]


def test_rows_of_one_moment_are_deleted_in_batches_too(database: sa.Engine) -> None:
    fill(database, [NOON] * 10)
    batches: list[tuple[str, int]] = []
    prune(database, NOON + HOUR, 4, lambda table, rows: batches.append((table, rows)))
    assert [rows for table, rows in batches if table == "requests"] == [4, 4, 2]
    assert ids(database) == []


def test_a_row_that_comes_late_while_others_go_goes_too(database: sa.Engine) -> None:
    fill(database, [NOON + n * MINUTE for n in range(8)])
    late = [entry(99, NOON - 5 * HOUR)]

    def arrive(table: str, _rows: int) -> None:
        if table == "requests" and late:
            store_entries(database, [late.pop()])

    prune(database, NOON + HOUR, 3, arrive)
    assert ids(database) == []


def test_nobody_waits_longer_than_for_one_batch(database: sa.Engine) -> None:
    """While batches go, others write: the number of their rows tells that none was in the way."""
    fill(database, [NOON] * 20)
    written: list[int] = []

    def write(_table: str, _rows: int) -> None:
        thread = threading.Thread(
            target=store_entries, args=(database, [entry(100 + len(written), NOON + 9 * HOUR)])
        )
        thread.start()
        thread.join()
        written.append(1)

    prune(database, NOON + HOUR, 5, write)
    assert len(ids(database)) == len(written) == 16


def test_hourly_counts_stay_unless_they_are_to_go(database: sa.Engine) -> None:
    fill(database, [NOON - 2 * HOUR, NOON - HOUR, NOON])
    before = counts(database)
    prune(database, NOON)
    assert counts(database) == before
    gone = prune(database, NOON, 3, with_counts=True)
    assert gone.rows["hourly"] == 2 * 9
    assert counts(database) == {k: v for k, v in before.items() if k[1] == naive_utc(NOON)}


def test_a_settled_day_keeps_what_its_later_hours_counted(database: sa.Engine) -> None:
    fill(database, [NOON - 2 * HOUR, NOON - HOUR, NOON, NOON + HOUR])
    assert settle(database, naive_utc(NOON + 48 * HOUR)) == 1
    day = sa.and_(hourly.c.dimension == "user/d", hourly.c.name == "ada")
    with database.connect() as connection:
        assert connection.scalar(sa.select(hourly.c.answered).where(day)) == 4
    prune(database, NOON, with_counts=True)
    with database.connect() as connection:
        assert connection.scalar(sa.select(hourly.c.answered).where(day)) == 2


def test_how_far_it_was_pruned_only_ever_grows(database: sa.Engine) -> None:
    for hours, expected in ((3, 3), (1, 3), (3, 3), (5, 5)):
        prune(database, NOON + hours * HOUR)
        with database.connect() as connection:
            assert pruned_until(connection) == naive_utc(NOON + expected * HOUR)
            marks = sa.select(sa.func.count()).where(hourly.c.dimension == PRUNED)
            assert connection.scalar(marks) == 1


def test_the_mark_survives_merging_counting_anew_and_pruning_counts(database: sa.Engine) -> None:
    for number in range(3):
        store_entries(database, [entry(number, NOON + HOUR)])
    prune(database, NOON, with_counts=True)
    assert merge_parts(database, naive_utc(NOON - HOUR), 2) == 1
    rebuild_counts(database)
    prune(database, NOON, with_counts=True)
    with database.connect() as connection:
        assert pruned_until(connection) == naive_utc(NOON)


def test_an_hour_with_more_counts_than_a_batch_goes_at_once(database: sa.Engine) -> None:
    for number in range(5):  # as many parts
        store_entries(database, [entry(number, NOON)])
    batches: list[int] = []
    prune(
        database,
        NOON + HOUR,
        2,
        lambda table, rows: batches.append(rows) if table == "hourly" else None,
        with_counts=True,
    )
    assert batches == [5] * 9


def test_expired_revocations_go_and_others_stay(database: sa.Engine) -> None:
    now = datetime.now(UTC)
    revoke_token(database, "old", (now + HOUR).timestamp(), "eve")
    revoke_token(database, "new", (now + HOUR).timestamp(), "eve")
    with database.begin() as connection:
        of = revoked_tokens.c.jti == "old"
        past = {"expires_at_utc": naive_utc(now - HOUR)}
        connection.execute(revoked_tokens.update().where(of).values(past))
    assert prune(database, NOON).rows["revoked_tokens"] == 1
    with database.connect() as connection:
        assert list(connection.scalars(sa.select(revoked_tokens.c.jti))) == ["new"]


def test_what_would_go_is_what_goes(database: sa.Engine) -> None:
    fill(database, [NOON + n * 7 * MINUTE for n in range(30)])
    for with_counts in (False, True):
        expected = prunable(database, NOON + 2 * HOUR, with_counts=with_counts)
        assert len(ids(database)) == (30 if not with_counts else 12)
        assert prune(database, NOON + 2 * HOUR, with_counts=with_counts) == expected
    assert expected.batches(10) == 2  # 16 rows of counts


def test_sql_server_is_asked_for_the_top_rows_in_order() -> None:
    old = _ByKey(requests, "id", "at_utc", naive_utc(NOON))
    told = str(old.statement(2000).compile(dialect=mssql.dialect()))
    assert " ".join(told.split()) == (
        "DELETE FROM requests WHERE requests.id IN (SELECT TOP __[POSTCOMPILE_param_1] oldest.id "
        "FROM requests AS oldest WHERE oldest.at_utc < :at_utc_1 ORDER BY oldest.at_utc, oldest.id)"
    )


def test_a_database_that_fails_is_told_in_words(embedded: sa.Engine) -> None:
    fill(embedded, [NOON])
    with embedded.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER no BEFORE DELETE ON requests BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
    with pytest.raises(UserError, match="pruning stopped") as raised:
        prune(embedded, NOON + HOUR)
    assert raised.value.code == "pruning_stopped"
    assert ids(embedded, predictions) == []
