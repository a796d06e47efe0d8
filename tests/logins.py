"""A PostgreSQL database as it is set up for many: an owner, and a login for each part."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import pytest
import sqlalchemy as sa
from psycopg import sql

from sql import give_rights, migrate, open_database
from tests.servers import Server

OWNER = "leafgate_owner"  # no superuser
PARTS = {role: f"leafgate_{role}" for role in ("service", "dashboard", "trainer")}
NUMBERS = count(1)


class Logins:
    """A database of the test's own, at the current schema, with the logins of `PARTS`."""

    def __init__(self, server: Server, database: str) -> None:
        self.server, self.database = server, database
        self._engines: list[sa.Engine] = []

    def url(self, login: str) -> str:
        """As LEAFGATE_DATABASE_URL takes it. login: a part's or another's."""
        name = PARTS.get(login, login)
        return self.server.url_of(self.database).replace("//leafgate@", f"//{name}@")

    def engine(self, login: str) -> sa.Engine:
        """The database as that login sees it."""
        self._engines.append(open_database(self.url(login)))
        return self._engines[-1]

    def run(self, statement: str, login: str = OWNER) -> None:
        """Run a statement as that login."""
        with self.engine(login).begin() as connection:
            connection.exec_driver_sql(statement)

    def new_login(self, *options: str) -> str:
        """Make a login that has no rights; returns its name."""
        name = f"somebody_{next(NUMBERS)}"
        create_login(self.server, name, *options)
        return name

    def close(self) -> None:
        """Nobody is connected any more."""
        for engine in self._engines:
            engine.dispose()


def create_login(server: Server, name: str, *options: str) -> None:
    """options: of CREATE ROLE, beside LOGIN."""
    words = sql.SQL(" ".join(("LOGIN", *options)))  # type: ignore[arg-type]
    server.execute(sql.SQL("CREATE ROLE {} {}").format(sql.Identifier(name), words))


@pytest.fixture(scope="session")
def granted_template(postgresql_server: Server) -> str:
    """The name of such a database, to be copied with everybody's rights."""
    for name in (OWNER, *PARTS.values()):
        create_login(postgresql_server, name)
    postgresql_server.create_database("granted")
    postgresql_server.execute(
        sql.SQL("ALTER DATABASE granted OWNER TO {}").format(sql.Identifier(OWNER))
    )
    made = Logins(postgresql_server, "granted")
    migrate(made.engine(OWNER))
    give_rights(made.engine(OWNER), {login: (role,) for role, login in PARTS.items()})
    made.close()
    return "granted"


@contextmanager
def copied(server: Server, template: str) -> Iterator[Logins]:
    """A copy, with the same owner, until the block ends."""
    found = Logins(server, f"logins_{next(NUMBERS)}")
    server.create_database(found.database, template)
    server.execute(
        sql.SQL("ALTER DATABASE {} OWNER TO {}").format(
            sql.Identifier(found.database), sql.Identifier(OWNER)
        )
    )
    yield found
    found.close()
    server.drop_database(found.database)


@pytest.fixture
def logins(postgresql_server: Server, granted_template: str) -> Iterator[Logins]:
    """Each part has been given its rights."""
    with copied(postgresql_server, granted_template) as found:
        yield found


@pytest.fixture
def bare_logins(postgresql_server: Server, granted_template: str) -> Iterator[Logins]:
    """The same logins over a database without a table."""
    with copied(postgresql_server, "template1") as found:
        yield found
