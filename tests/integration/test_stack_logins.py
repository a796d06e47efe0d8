"""The stack's init of PostgreSQL, on a real server that asks for passwords."""

import os
import subprocess
from collections.abc import Iterator

import psycopg
import pytest

from leafgate.errors import UserError
from sql import give_rights, migrate, open_database
from tests.compose_files import ROOT
from tests.servers import Server, postgresql

SCRIPTS = ("mlflow.sql", "leafgate.sql")
LOGINS = ("owner", "service", "dashboard", "trainer")


@pytest.fixture(scope="module")
def asking_server() -> Iterator[Server]:
    """It trusts its superuser, as an init step is trusted, and nobody else."""
    with postgresql() as server:
        here = "127.0.0.1/32"
        rules = f"host all leafgate {here} trust\nhost all all {here} scram-sha-256\n"
        (server.folder / "data" / "pg_hba.conf").write_text(rules)
        server.restart()
        yield server


def init(server: Server, password: str) -> None:
    """What `postgres-init` does, every password being this one."""
    names = ("MLFLOW_DB", *(name.upper() for name in LOGINS))
    secrets = {f"{name}_PASSWORD": password for name in names}
    files = [part for name in SCRIPTS for part in ("-f", str(ROOT / "docker/postgres" / name))]
    to = ["-h", "127.0.0.1", "-p", str(server.port), "-U", "leafgate", "-d", "postgres"]
    command = [str(server.programs / "psql"), "-q", *to, *files]
    done = subprocess.run(
        command, env={**os.environ, **secrets}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def url(server: Server, login: str, password: str, database: str = "leafgate") -> str:
    return f"postgresql+psycopg://{login}:{password}@127.0.0.1:{server.port}/{database}"


def may_enter(server: Server, login: str, password: str, database: str) -> bool:
    try:
        plain = url(server, login, password, database).replace("+psycopg", "")
        psycopg.connect(plain, connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True


def test_the_init_makes_what_is_missing_and_sets_passwords_anew(asking_server: Server) -> None:
    init(asking_server, "first-password")
    owner = open_database(url(asking_server, "leafgate_owner", "first-password"))
    migrate(owner)
    init(asking_server, "Second_password-2")
    with pytest.raises(UserError, match="password authentication failed"):
        migrate(open_database(url(asking_server, "leafgate_owner", "first-password")))
    owner = open_database(url(asking_server, "leafgate_owner", "Second_password-2"))
    changes = give_rights(owner, {f"leafgate_{role}": (role,) for role in LOGINS[1:]})
    assert {change.login for change in changes} == {f"leafgate_{role}" for role in LOGINS[1:]}
    for role in LOGINS:
        migrate(open_database(url(asking_server, f"leafgate_{role}", "Second_password-2")))


def test_each_login_enters_the_database_of_its_part_alone(asking_server: Server) -> None:
    init(asking_server, "password")
    databases = ("leafgate", "mlflow", "mlflow_auth", "postgres")
    for login in (*(f"leafgate_{role}" for role in LOGINS), "mlflow"):
        entered = {name for name in databases if may_enter(asking_server, login, "password", name)}
        assert entered == ({"mlflow", "mlflow_auth"} if login == "mlflow" else {"leafgate"})


def test_nobody_but_the_owner_makes_tables(asking_server: Server) -> None:
    init(asking_server, "password")
    for role in LOGINS[1:]:
        plain = url(asking_server, f"leafgate_{role}", "password").replace("+psycopg", "")
        with psycopg.connect(plain) as connection, pytest.raises(psycopg.Error, match="denied"):
            connection.execute("CREATE TABLE theirs (a INT)")
