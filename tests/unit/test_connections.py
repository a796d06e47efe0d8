"""What a caller is told is what went wrong first, whatever the connection does after it."""

import sqlite3
from collections.abc import Callable
from typing import Any

import psycopg
import pyodbc
import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

import sql.migrating
import sql.recounting
from leafgate.errors import UserError
from sql import (
    add_user,
    answering,
    delete_user,
    find_user,
    is_reachable,
    migrate,
    prune,
    rebuild_counts,
    set_plan,
    set_scopes,
)
from sql.connections import opened, transaction
from sql.rollups import replace_parts
from tests.log_entries import HOUR, MINUTE, NOON, counts, fill

BARE: tuple[Exception, ...] = (
    pyodbc.Error("HY000", "[HY000] [FreeTDS][SQL Server]the connection is dead (20006) (SQLSetX)"),
    pyodbc.OperationalError("08S01", "[08S01] [Microsoft]Communication link failure (0) (SQLSet)"),
    psycopg.OperationalError("the connection is lost"),
    sqlite3.OperationalError("disk I/O error"),
)


def failing(error: Exception) -> Callable[..., Any]:
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


@pytest.fixture(params=BARE, ids=lambda error: type(error).__module__ + "." + type(error).__name__)
def bare(request: pytest.FixtureRequest) -> Exception:
    """An error as a driver raises it, which SQLAlchemy has not wrapped."""
    error: Exception = request.param
    return error


def test_a_level_of_isolation_that_cannot_be_set_is_told_as_a_failed_recount(
    embedded: sa.Engine, monkeypatch: pytest.MonkeyPatch, bare: Exception
) -> None:
    fill(embedded, [NOON])
    monkeypatch.setattr(sql.recounting, "ISOLATION", {"sqlite": "SERIALIZABLE"})
    monkeypatch.setattr(embedded.dialect, "set_isolation_level", failing(bare))
    with pytest.raises(UserError, match="could not be made anew") as raised:
        rebuild_counts(embedded)
    assert raised.value.code == "recount_failed"
    assert str(bare.args[-1]) in raised.value.problem


def test_a_level_that_cannot_be_put_back_costs_neither_the_result_nor_a_place_in_the_pool(
    embedded: sa.Engine, monkeypatch: pytest.MonkeyPatch, bare: Exception
) -> None:
    fill(embedded, [NOON + n * MINUTE for n in range(3)])
    right = counts(embedded)
    monkeypatch.setattr(sql.recounting, "ISOLATION", {"sqlite": "SERIALIZABLE"})
    monkeypatch.setattr(embedded.dialect, "reset_isolation_level", failing(bare))
    for _ in range(20):  # more than the pool has
        assert rebuild_counts(embedded) is not None
    assert counts(embedded) == right


@pytest.mark.parametrize("place", ["do_begin", "do_commit"])
def test_a_driver_that_fails_when_a_recount_begins_or_ends_is_told_as_such(
    embedded: sa.Engine, monkeypatch: pytest.MonkeyPatch, bare: Exception, place: str
) -> None:
    fill(embedded, [NOON])
    monkeypatch.setattr(embedded.dialect, place, failing(bare))
    with pytest.raises(UserError) as raised:
        rebuild_counts(embedded)
    assert raised.value.code == "recount_failed"


def test_a_driver_s_own_error_is_a_database_that_fails_everywhere(
    embedded: sa.Engine, bare: Exception
) -> None:
    @sa.event.listens_for(embedded, "engine_connect")
    def _fail(_: object) -> None:
        raise bare

    for ask, code in (
        (lambda: migrate(embedded), "database_unreachable"),
        (lambda: prune(embedded, NOON + HOUR), "pruning_stopped"),
        (lambda: rebuild_counts(embedded), "recount_failed"),
    ):
        with pytest.raises(UserError) as raised:
            ask()  # type: ignore[no-untyped-call]
        assert raised.value.code == code
    with pytest.raises(UserError) as raised, answering(embedded):
        find_user(embedded, "ada")
    assert raised.value.code == "database_away"
    assert not is_reachable(embedded)


def test_what_is_no_driver_s_error_is_raised_as_it_is(embedded: sa.Engine) -> None:
    class Error(Exception):
        """Of somebody else."""

    with pytest.raises(Error), opened(embedded):
        raise Error
    with pytest.raises(KeyError), transaction(embedded):
        raise KeyError("x")


@pytest.fixture
def unending(database: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> sa.Engine:
    """A database whose connections fail when they are to roll back."""
    add_user(database, "ada", "hash", ["predict"])
    errors: Any = database.dialect.loaded_dbapi
    error = errors.OperationalError("server closed the connection unexpectedly")
    monkeypatch.setattr(database.dialect, "do_rollback", failing(error))
    return database


def test_a_rollback_that_fails_does_not_hide_what_it_was_for(unending: sa.Engine) -> None:
    for change in (
        lambda: delete_user(unending, "nobody", "ada"),
        lambda: set_plan(unending, "nobody", "large"),
        lambda: set_scopes(unending, "nobody", ["predict"]),
    ):
        with pytest.raises(UserError) as raised:
            change()  # type: ignore[no-untyped-call]
        assert raised.value.code == "no_such_user"
    assert find_user(unending, "ada") is not None


def test_a_rollback_that_fails_does_not_hide_why_a_migration_ended(
    unending: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with transaction(unending) as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9001'"))
    with pytest.raises(UserError, match="of a newer LeafGate") as raised:
        migrate(unending)
    assert raised.value.code == "database_is_newer"

    def out_of_turn(_: sa.Connection) -> None:
        raise UserError("another migration did not end", "again", code="migration_failed")

    monkeypatch.setattr(sql.migrating, "lock_schema", out_of_turn)
    for change in (migrate, sql.migrating.downgrade):
        with transaction(unending) as connection:
            connection.execute(sa.text("UPDATE alembic_version SET version_num = '0001'"))
        with pytest.raises(UserError, match="did not end"):
            change(unending, "0002")


def test_a_rollback_that_fails_gives_the_connection_up(unending: sa.Engine) -> None:
    """Or a pool of fifteen would be empty after as many errors."""
    for _ in range(20):
        with pytest.raises(ValueError, match="of the block"), transaction(unending) as connection:
            connection.execute(sa.select(1))
            raise ValueError("of the block")
    assert is_reachable(unending)


def test_a_commit_that_fails_is_no_success(
    database: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = database.dialect.loaded_dbapi.OperationalError("gone")
    with monkeypatch.context() as patch:
        patch.setattr(database.dialect, "do_commit", failing(error))
        with pytest.raises(DBAPIError):
            add_user(database, "eve", "hash", ["predict"])
    assert find_user(database, "eve") is None


def test_a_block_that_rolled_back_itself_commits_nothing(database: sa.Engine) -> None:
    hour = NOON.replace(tzinfo=None)
    assert replace_parts(database, hour, hour + HOUR, lambda _: []) is False
    with transaction(database) as connection:
        connection.execute(sa.text("DELETE FROM alembic_version"))
        connection.rollback()
    with opened(database) as connection:
        assert connection.scalar(sa.text("SELECT version_num FROM alembic_version")) is not None
