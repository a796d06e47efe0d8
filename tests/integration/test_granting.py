"""`leafgate db migrate --grant` gives what is missing, takes what is too much, and no owner's."""

import threading

import psycopg
import pytest
import sqlalchemy as sa

from leafgate.errors import UserError
from sql import give_rights, migrate, roles_by_login
from sql.granting import Right, rights_of
from tests.logins import OWNER, PARTS, Logins, create_login

SERVICE, DASHBOARD, TRAINER = PARTS.values()


def held(logins: Logins, login: str) -> set[Right]:
    """As the database's own catalogue has it."""
    query = sa.text(
        "SELECT relname, privilege_type FROM pg_class, aclexplode(relacl), pg_roles "
        "WHERE pg_roles.oid = grantee AND rolname = :login"
    )
    with logins.engine(OWNER).connect() as connection:
        return {Right(*row) for row in connection.execute(query, {"login": login})}


def refusal(logins: Logins, word: str, by: str = OWNER) -> UserError:
    """What giving a role raises."""
    with pytest.raises(UserError) as raised:
        give_rights(logins.engine(by), roles_by_login([word]))
    return raised.value


def test_giving_again_changes_nothing(logins: Logins) -> None:
    before = {login: held(logins, login) for login in PARTS.values()}
    assert before == {login: rights_of(part) for part, login in PARTS.items()}
    words = [f"{part}={login}" for part, login in PARTS.items()]
    assert give_rights(logins.engine(OWNER), roles_by_login(words)) == ()
    assert before == {login: held(logins, login) for login in PARTS.values()}


def test_what_a_login_has_beyond_its_roles_is_taken_and_told(logins: Logins) -> None:
    logins.run(f"GRANT ALL ON audit TO {SERVICE}; GRANT SELECT ON users TO {DASHBOARD}")
    roles = roles_by_login([f"service={SERVICE}", f"dashboard={DASHBOARD}"])
    told = [str(change) for change in give_rights(logins.engine(OWNER), roles)]
    assert told == [
        f"REVOKE DELETE, REFERENCES, TRIGGER, TRUNCATE, UPDATE ON audit FROM {SERVICE}",
        f"REVOKE SELECT ON users FROM {DASHBOARD}",
    ]
    assert held(logins, SERVICE) == rights_of("service")
    assert held(logins, DASHBOARD) == rights_of("dashboard")


def test_a_login_of_several_roles_has_the_rights_of_all(logins: Logins) -> None:
    name = logins.new_login()
    roles = roles_by_login([f"{role}={name}" for role in ("api", "keeper", "operator")])
    give_rights(logins.engine(OWNER), roles)
    assert held(logins, name) == rights_of("service")
    give_rights(logins.engine(OWNER), {name: ("api",)})
    assert held(logins, name) == rights_of("api")


def test_any_name_that_a_login_can_have_is_taken_to_the_letter(logins: Logins) -> None:
    name = """o'hara "x" [y] %s; :login -- DROP"""
    create_login(logins.server, name)
    give_rights(logins.engine(OWNER), roles_by_login([f"trainer={name}"]))
    assert held(logins, name) == rights_of("trainer")


def test_an_unknown_login_is_named_and_nobody_gets_anything(logins: Logins) -> None:
    name = logins.new_login()
    with pytest.raises(UserError, match="knows no login 'nobody'") as raised:
        give_rights(logins.engine(OWNER), roles_by_login([f"api={name}", "api=nobody"]))
    assert raised.value.code == "no_such_login"
    assert held(logins, name) == set()


def test_a_rollback_that_fails_does_not_hide_what_is_wrong_with_a_login(
    logins: Logins, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = logins.engine(OWNER)
    engine.connect().close()  # SQLAlchemy rolls back after what it asks a new server

    def fail(_: object) -> None:
        raise psycopg.OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(engine.dialect, "do_rollback", fail)
    with pytest.raises(UserError, match="knows no login 'nobody'") as raised:
        give_rights(engine, roles_by_login(["api=nobody"]))
    assert raised.value.code == "no_such_login"


def test_an_owner_and_a_superuser_are_no_login_for_a_part_and_lose_nothing(logins: Logins) -> None:
    before = held(logins, OWNER)
    member = logins.new_login("IN ROLE", OWNER)
    superuser = logins.new_login("SUPERUSER")
    for login in (OWNER, member, superuser):
        assert refusal(logins, f"service={login}").code == "too_mighty_login"
    assert held(logins, OWNER) == before


@pytest.mark.parametrize("everybody", [True, False])
def test_rights_from_elsewhere_are_told(logins: Logins, everybody: bool) -> None:
    group = logins.new_login()
    name = logins.new_login("IN ROLE", group)
    logins.run(f"GRANT DELETE ON audit TO {'PUBLIC' if everybody else group}")
    error = refusal(logins, f"service={name}")
    assert error.code == "too_mighty_login"
    assert "may DELETE on audit" in error.problem
    assert held(logins, name) == set()


@pytest.mark.parametrize("by", [*PARTS.values(), None])
def test_only_the_owner_gives_rights(logins: Logins, by: str | None) -> None:
    """Where a login has some of them itself, PostgreSQL warns, and goes on."""
    name = logins.new_login()
    error = refusal(logins, f"service={name}", by or logins.new_login())
    assert error.code == "grant_failed"
    assert "as the owner" in error.fix
    assert held(logins, name) == set()


def test_several_may_migrate_and_give_rights_at_once(bare_logins: Logins) -> None:
    name = bare_logins.new_login()
    failed: list[Exception] = []

    def run() -> None:
        try:
            migrate(engine := bare_logins.engine(OWNER))
            give_rights(engine, {name: ("service",)})
        except Exception as error:  # noqa: BLE001 - of any kind
            failed.append(error)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert held(bare_logins, name) == rights_of("service")
