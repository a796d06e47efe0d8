"""Each part does its work under a login of its own, which may do that and no more."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from leafgate.errors import UserError
from leafgate.gating import look_at
from sql import (
    add_user,
    answering,
    downgrade,
    find_answer,
    list_users,
    load_revoked,
    migrate,
    prune,
    rebuild_counts,
    revoke_token,
    set_disabled,
    set_password,
)
from sql.granting import rights_of
from sql.records import naive_utc
from sql.rights import lacks_rights
from sql.rollups import merge_parts, settle
from sql.schema import feedback, metadata
from sql.storing import store_entries
from tests.commands import environment, leafgate
from tests.integration.conftest import StartApi, api_settings
from tests.integration.test_api_answers import eventually
from tests.integration.test_feedback import correct, diagnosed
from tests.log_entries import HOUR, MINUTE, NOON, counts, entry, ids
from tests.logins import OWNER, PARTS, Logins
from tests.models import vouch_for_production
from tests.random_log import SPANS, random_entries, store_out_of_order
from tests.unit.test_analytics_statements import ask_everything

COLUMNS = {table.name: next(iter(table.columns)).name for table in metadata.tables.values()}
ATTEMPTS = {
    "SELECT": "SELECT 1 FROM {table}",
    "UPDATE": "UPDATE {table} SET {column} = {column}",
    "DELETE": "DELETE FROM {table}",
    "INSERT": "INSERT INTO {table} SELECT * FROM {table}",
    "TRUNCATE": "TRUNCATE {table}",
    "TRIGGER": "CREATE RULE r AS ON INSERT TO {table} DO INSTEAD NOTHING",
}
SCHEMA_CHANGES = (
    "CREATE TABLE mine (id INT)",
    "DROP TABLE audit",
    "ALTER TABLE audit DISABLE TRIGGER ALL",
    "CREATE SCHEMA mine",
)


def is_allowed(connection: sa.Connection, statement: str) -> bool:
    """Whether the login may; nothing comes of it."""
    try:
        connection.exec_driver_sql(statement)
    except DBAPIError as error:
        assert lacks_rights(error), error
        return False
    finally:
        connection.rollback()
    return True


@pytest.mark.parametrize("part", PARTS)
def test_a_login_may_do_what_its_part_needs_and_nothing_else(logins: Logins, part: str) -> None:
    mine = rights_of(part)
    with logins.engine(part).connect() as connection:
        for table, column in (*COLUMNS.items(), ("alembic_version", "version_num")):
            for privilege, attempt in ATTEMPTS.items():
                said = attempt.format(table=table, column=column)
                assert is_allowed(connection, said) == ((table, privilege) in mine), said
        assert not any(is_allowed(connection, change) for change in SCHEMA_CHANGES)


def test_the_api_serves_with_the_services_login(
    logins: Logins, served_var: Path, tmp_path: Path, start_api: StartApi
) -> None:
    """With which its users and its audit were stored, too."""
    api = start_api(api_settings(served_var, tmp_path, database_url=logins.url("service")))
    identifier = diagnosed(api)
    assert correct(api, identifier, "green").status_code == 201
    assert eventually(lambda: ids(logins.engine("dashboard"), feedback))
    assert api.client.post("/token/revoke").is_success
    refused = api.client.post("/generate", json={"n": 1})
    assert refused.json()["code"] == "token_revoked"


def test_the_service_merges_prunes_and_counts_anew_with_its_login(logins: Logins) -> None:
    service = logins.engine("service")
    for number in range(3):
        at = NOON + number * MINUTE
        store_entries(service, [entry(2 * number, at), entry(2 * number + 1, at + HOUR)])
    right = counts(service)
    assert merge_parts(service, naive_utc(NOON), parts=2) == 2
    assert settle(service, naive_utc(NOON + 24 * HOUR)) == 1
    assert rebuild_counts(service) == naive_utc(NOON)
    assert counts(service) == right
    gone = prune(service, NOON + HOUR, with_counts=True)
    assert gone.rows["requests"] == gone.rows["feedback"] == 3
    assert find_answer(service, f"{1:08d}") is not None


def test_users_are_kept_and_tokens_revoked_with_the_services_login(logins: Logins) -> None:
    service = logins.engine("service")
    add_user(service, "ada", "hash", ["predict"])
    set_disabled(service, "ada", True)
    set_password(service, "ada", "another")
    revoke_token(service, "t1", (datetime.now(UTC) + timedelta(hours=1)).timestamp(), "ada")
    assert [user.disabled for user in list_users(service)] == [True]
    assert load_revoked(service).tokens == {"t1"}


def test_the_dashboard_asks_everything_with_its_login(logins: Logins) -> None:
    store_out_of_order(logins.engine("service"), random_entries(60))
    ask_everything(logins.engine("dashboard"), SPANS["odd microseconds"])


def test_a_host_that_gates_keeps_the_audit_with_the_trainers_login(
    logins: Logins, served_var: Path, tmp_path: Path
) -> None:
    settings = api_settings(served_var, tmp_path, database_url=logins.url("trainer"))
    vouch_for_production(settings)
    _, records = look_at(settings, settings.classifier_name)
    assert records[-1].action == "moved"


@pytest.mark.parametrize("part", PARTS)
def test_a_start_on_a_current_schema_needs_to_see_its_revision_and_nothing_else(
    logins: Logins, part: str
) -> None:
    for table in metadata.tables:
        logins.run(f"REVOKE ALL ON {table} FROM {PARTS[part]}")
    migrate(logins.engine(part))


@pytest.mark.parametrize("part", PARTS)
def test_an_older_schema_is_for_the_owner_to_migrate(
    logins: Logins, bare_logins: Logins, part: str
) -> None:
    downgrade(logins.engine(OWNER), "0005")
    for there in (logins, bare_logins):
        with pytest.raises(UserError, match="is not the current one") as raised:
            migrate(there.engine(part))
        assert raised.value.code == "migration_not_allowed"
        assert raised.value.fix == "run `leafgate db migrate` as the owner of the tables"
    migrate(logins.engine(OWNER))
    migrate(logins.engine(part))


def test_who_starts_while_the_owner_migrates_waits_and_needs_no_more_rights(
    logins: Logins,
) -> None:
    """The trainer's login may not even read what is migrated."""
    downgrade(logins.engine(OWNER), "0005")
    owner, trainer = logins.engine(OWNER), logins.engine("trainer")
    waited: list[str] = []

    @sa.event.listens_for(trainer, "before_cursor_execute")
    def _(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        if "pg_advisory" in statement:  # it has found the old schema, and waits for its turn
            migrate(owner)
            waited.append(statement)

    migrate(trainer)
    assert waited


def test_a_login_that_may_not_see_the_revision_is_told_so_and_migrates_nothing(
    logins: Logins,
) -> None:
    with pytest.raises(UserError, match="permission denied for table alembic_version") as raised:
        migrate(logins.engine(logins.new_login()))
    assert raised.value.code == "database_refuses"
    assert "leafgate db migrate --grant" in raised.value.fix


def test_a_command_that_the_login_may_not_do_ends_with_two_sentences(
    logins: Logins, tmp_path: Path
) -> None:
    env = environment(tmp_path / "var", database_url=logins.url("dashboard"))
    done = leafgate("users", "list", env=env)
    assert done.returncode == 2
    assert "permission denied for table users" in done.stderr
    assert "leafgate db migrate --grant" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_caller_is_not_told_what_the_login_lacks_but_the_log_is(
    logins: Logins, caplog: pytest.LogCaptureFixture
) -> None:
    engine = logins.engine("dashboard")
    with pytest.raises(UserError) as raised, answering(engine):
        list_users(engine)
    assert raised.value.code == "database_refuses"
    assert "users" not in str(raised.value)
    assert "permission denied for table users" in caplog.text
