"""`leafgate db migrate` waits for a database that comes up while it runs, and says so once."""

from pathlib import Path

import pytest
import sqlalchemy as sa
from psycopg import sql
from typer.testing import CliRunner

from leafgate.cli_db import db_app
from leafgate.errors import UserError
from sql import migrate_once_reachable, open_database
from tests.logins import NUMBERS, OWNER, PARTS, Logins, create_login
from tests.servers import Server

NOWHERE = "postgresql+psycopg://ada:hunter2@127.0.0.1:1/x"


def test_a_database_and_its_login_may_come_while_we_wait(postgresql_server: Server) -> None:
    name = f"late_{next(NUMBERS)}"
    engine = open_database(postgresql_server.url_of(name).replace("leafgate@", f"{name}@"))
    told: list[str] = []

    def come(why: UserError) -> None:
        told.append(why.problem)
        create_login(postgresql_server, name)
        words = sql.Identifier(name), sql.Identifier(name)
        postgresql_server.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(*words))

    migrate_once_reachable(engine, 60, come)
    assert len(told) == 1
    assert f'role "{name}" does not exist' in told[0]
    assert sa.inspect(engine).has_table("audit")
    engine.dispose()


def test_when_the_time_is_over_the_last_error_is_raised(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LEAFGATE_DATABASE_URL", NOWHERE)
    monkeypatch.chdir(tmp_path)
    for wait, times in (("0", 0), ("0.8", 1)):
        done = CliRunner().invoke(db_app, ["migrate", "--wait", wait])
        assert isinstance(done.exception, UserError)
        assert done.exception.code == "database_unreachable"
        assert done.output.count("waiting up to") == times
        assert "hunter2" not in done.output


def test_what_waiting_does_not_mend_is_raised_at_once(logins: Logins) -> None:
    logins.run("UPDATE alembic_version SET version_num = '9001'")
    refused: list[UserError] = []
    with pytest.raises(UserError) as raised:
        migrate_once_reachable(logins.engine(OWNER), 5, refused.append)
    assert raised.value.code == "database_is_newer"
    assert refused == []


def test_the_command_migrates_gives_rights_and_may_be_repeated(
    bare_logins: Logins, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LEAFGATE_DATABASE_URL", bare_logins.url(OWNER))
    monkeypatch.chdir(tmp_path)
    words = ["migrate", "--wait", "9"]
    words += [word for role, login in PARTS.items() for word in ("--grant", f"{role}={login}")]
    said = CliRunner().invoke(db_app, words).output.splitlines()
    assert said[0] == "the schema is current"
    assert f"GRANT INSERT, SELECT ON audit TO {PARTS['service']}" in said
    again = CliRunner().invoke(db_app, words).output.splitlines()
    assert again == ["the schema is current", "every login has its rights, and no others"]


def test_on_sqlite_nothing_is_given_and_nothing_migrated(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LEAFGATE_VAR_DIR", str(tmp_path / "var"))
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(db_app, ["migrate", "--grant", "service=ada"])
    assert isinstance(done.exception, UserError)
    assert "sqlite has none" in done.exception.problem
    assert not (tmp_path / "var" / "leafgate.db").exists()
