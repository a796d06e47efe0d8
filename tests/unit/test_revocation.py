"""Whose tokens are refused before they expire: revoked ones, and those of users who are gone."""

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

import sql.users
from leafgate.errors import UserError
from serving import revocation
from serving.revocation import Revocations
from serving.token_claims import Claims
from sql import (
    User,
    add_user,
    delete_user,
    find_user,
    known_users,
    load_users,
    revoke_tokens_of,
)
from sql.records import naive_utc

MakeRevocations = Callable[..., Revocations]
HOUR = 3600


@pytest.fixture
def make(database: sa.Engine) -> Iterator[MakeRevocations]:
    """Views of processes over one database, which read when the test says so."""
    made: list[Revocations] = []

    def start(own_users: bool = True) -> Revocations:
        made.append(Revocations(database, 3600, own_users))
        made[-1].start()
        return made[-1]

    yield start
    for each in made:
        each.stop()


def add(database: sa.Engine, name: str = "ada") -> User:
    return add_user(database, name, "hash", ["predict"])


def claims(user: str | User = "ada", age: float = 0.0, token_id: str = "1") -> Claims:
    """Of a token that was issued `age` seconds ago; to a user: as sign-in issues it."""
    now = int((time.time() - age) * 1000) / 1000
    name, first = (user.name, user.tokens_from) if isinstance(user, User) else (user, None)
    scopes = frozenset({"predict"})
    return Claims(name, scopes, "standard", token_id, now, tokens_from=first)


def check(process: Revocations, of: Claims) -> str:
    """`good`, or the code of the refusal."""
    try:
        process.require_valid(of)
        asyncio.run(process.require_user(of))
    except UserError as error:
        return error.code
    return "good"


def test_a_token_of_a_user_that_there_is_not_is_refused(
    database: sa.Engine, make: MakeRevocations
) -> None:
    add(database)
    process = make()
    assert check(process, claims()) == "good"
    assert check(process, claims("Ada")) == check(process, claims("eve")) == "token_revoked"
    with database.begin() as connection:
        connection.execute(sa.text("DELETE FROM users"))
    process.refresh()
    assert check(process, claims()) == "token_revoked"


def test_the_users_of_an_identity_provider_are_not_ours_to_know(make: MakeRevocations) -> None:
    assert check(make(own_users=False), claims("somebody")) == "good"


def test_a_user_added_again_under_the_same_name_does_not_get_the_old_tokens_back(
    database: sa.Engine, make: MakeRevocations
) -> None:
    old = claims(add(database))
    process = make()
    delete_user(database, "ada", "admin")
    process.refresh()
    assert check(process, old) == "token_revoked"
    again = add(database)
    process.refresh()
    assert check(process, old) == "token_revoked"
    assert check(process, claims(again)) == "good"
    with database.begin() as connection:  # by hand, with a time that was made up
        connection.execute(sa.text("UPDATE users SET created_at_utc = '2020-01-01 00:00:00'"))
    process.refresh()
    assert check(process, old) == "token_revoked"
    user = find_user(database, "ada")
    assert user is not None
    assert check(process, claims(user)) == "good"


def test_a_row_deleted_by_hand_and_added_again_does_not_revive_tokens(
    database: sa.Engine, make: MakeRevocations
) -> None:
    add(database)
    old = claims(age=HOUR)
    with database.begin() as connection:
        connection.execute(sa.text("DELETE FROM users"))
    new = claims(add(database))
    process = make()
    assert (check(process, old), check(process, new)) == ("token_revoked", "good")


def test_a_clock_set_back_keeps_no_user_out_and_lets_no_old_token_in(
    database: sa.Engine, make: MakeRevocations, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = claims(add(database))
    process = make()
    back = datetime.now(UTC) - timedelta(hours=1)
    monkeypatch.setattr(time, "time", back.timestamp)
    monkeypatch.setattr(sql.users, "_now", lambda: naive_utc(back))
    user = find_user(database, "ada")
    assert user is not None
    assert check(process, claims(user)) == "good"
    delete_user(database, "ada", "admin")
    again = add(database)
    process.refresh()
    assert (check(process, old), check(process, claims(again))) == ("token_revoked", "good")
    revoke_tokens_of(database, "ada")
    revoked, last = claims(again), find_user(database, "ada")
    assert last is not None
    process.refresh()
    assert (check(process, revoked), check(process, claims(last))) == ("token_revoked", "good")


def test_a_user_who_signed_in_elsewhere_a_moment_ago_is_known_at_once(
    database: sa.Engine, make: MakeRevocations, monkeypatch: pytest.MonkeyPatch
) -> None:
    issuing, other = make(), make()
    token = claims(user := add(database))
    issuing.saw(user)
    lookups: list[str] = []
    looked_up = known_users.user_created

    def counted(engine: sa.Engine, name: str) -> float | None:
        lookups.append(name)
        return looked_up(engine, name)

    monkeypatch.setattr(revocation, "user_created", counted)
    assert check(issuing, token) == "good"
    assert lookups == []
    assert [check(other, token) for _ in range(5)] == ["good"] * 5
    assert [check(other, claims("eve")) for _ in range(5)] == ["token_revoked"] * 5
    assert lookups == ["ada", "eve"]  # once for each, until the next reading
    with database.begin() as connection:
        connection.execute(sa.text("DELETE FROM users"))
    for process in (issuing, other):
        process.refresh()
        assert check(process, token) == "token_revoked"


def test_many_users_are_looked_up_rather_than_kept(
    database: sa.Engine, make: MakeRevocations, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sql.known_users.MAX_KNOWN", 3)
    for number in range(5):
        add(database, f"user {number}")
    process = make()
    assert len(process._users.created) == 3
    assert not process._users.is_complete
    assert [check(process, claims(f"user {n}")) for n in range(6)] == ["good"] * 5 + [
        "token_revoked"
    ]


def test_users_are_read_again_only_where_something_has_changed(database: sa.Engine) -> None:
    add(database)
    before = load_users(database)
    assert load_users(database, before) is before
    add(database, "eve")
    assert set(load_users(database, before).created) == {"ada", "eve"}
    assert known_users.MAX_KNOWN >= 10_000


def test_while_the_database_is_away_what_was_known_stays(
    database: sa.Engine, make: MakeRevocations
) -> None:
    add(database)
    process = make()
    process.database = sa.create_engine("sqlite:////proc/no/such.db")
    assert check(process, claims()) == "good"
    assert check(process, claims("somebody new")) == "database_away"


def test_a_token_is_refused_here_at_once_and_stored_once_the_database_is_free(
    embedded: sa.Engine,
) -> None:
    @sa.event.listens_for(embedded, "connect")
    def be_impatient(connection: sqlite3.Connection, _: object) -> None:
        connection.execute("PRAGMA busy_timeout=50")

    process, other = Revocations(embedded, 0.05, False), Revocations(embedded, 3600, False)
    process.start()
    other.start()
    token = claims(token_id="stolen")
    writer = sqlite3.connect(str(embedded.url.database), isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    with pytest.raises(UserError) as raised:
        asyncio.run(process.revoke("stolen", time.time() + HOUR, "ada"))
    assert raised.value.code == "database_away"
    assert "other processes do not know" in raised.value.problem
    process.refresh()
    assert check(process, token) == "token_revoked"
    assert check(other, token) == "good"
    writer.execute("ROLLBACK")
    writer.close()
    deadline = time.monotonic() + 20
    while process._unstored and time.monotonic() < deadline:
        time.sleep(0.05)
    other.refresh()
    assert check(process, token) == check(other, token) == "token_revoked"
    for each in (process, other):
        each.stop()


def test_a_database_that_hangs_is_not_waited_for(
    database: sa.Engine, make: MakeRevocations, monkeypatch: pytest.MonkeyPatch
) -> None:
    process, free = make(), threading.Event()
    monkeypatch.setattr(revocation, "STORE_SECONDS", 0.05)
    monkeypatch.setattr(revocation, "LOOK_UP_SECONDS", 0.05)
    monkeypatch.setattr(revocation, "revoke_token", lambda *_: free.wait(20))
    monkeypatch.setattr(revocation, "user_created", lambda *_: free.wait(20) and None)
    with pytest.raises(UserError) as raised:
        asyncio.run(process.revoke("1", time.time() + HOUR, "ada"))
    assert raised.value.code == "database_away"
    assert check(process, claims("eve", token_id="2")) == "database_away"
    free.set()
