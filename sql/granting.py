"""Which part may do what in which table, and giving just that to the logins of a database.

GRANT and REVOKE are plain SQL, the same on PostgreSQL and SQL Server. There are no sequences to
grant, since no table numbers its rows by itself.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Literal, NamedTuple

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from leafgate.errors import UserError
from sql.connections import driver_errors
from sql.database import connect, place_of, reason
from sql.migration_lock import lock_schema

PRIVILEGES = {"S": "SELECT", "I": "INSERT", "U": "UPDATE", "D": "DELETE"}
PARTS = ("api", "keeper", "operator", "dashboard", "trainer")
# By table and part. api: what `leafgate serve` does; keeper: `db prune` and `db rebuild-counts`;
# operator: `users`; trainer: `gate`, `train` and `models` on a host without an API. Nobody changes
# the audit trail: what was written there stays, whoever takes over a part.
RIGHTS: Mapping[str, Mapping[str, str]] = {
    "requests": {"api": "SI", "keeper": "SD", "dashboard": "S"},
    "predictions": {"api": "SI", "keeper": "SD", "dashboard": "S"},
    "generations": {"api": "SI", "keeper": "SD", "dashboard": "S"},
    "feedback": {"api": "SI", "keeper": "SD", "dashboard": "S"},
    "hourly": {"api": "SID", "keeper": "SID", "dashboard": "S"},
    "users": {"api": "S", "operator": "SIUD"},
    "revoked_tokens": {"api": "SID", "keeper": "SD", "operator": "SID"},
    "audit": {"api": "SI", "trainer": "SI"},
    "alembic_version": dict.fromkeys(PARTS, "S"),
}
# service: the API, with the commands that are given beside it.
ROLES = {
    "service": ("api", "keeper", "operator"),
    **{part: (part,) for part in reversed(PARTS)},
}

LOGINS = {
    "postgresql": "SELECT rolname FROM pg_roles WHERE rolname = :login",
    # Up to 4 are `public`, `dbo`, `guest` and the server's own.
    "mssql": "SELECT name FROM sys.database_principals WHERE name = :login AND principal_id > 4",
}
# What a login is or belongs to, so that it may do more than it could be left with here.
MIGHTIER = {
    "postgresql": (
        "SELECT tableowner FROM pg_tables WHERE schemaname = current_schema() "
        "AND tablename = 'alembic_version' AND pg_has_role(:login, tableowner, 'MEMBER')"
    ),
    "mssql": (
        "SELECT r.name FROM sys.database_role_members AS m "
        "JOIN sys.database_principals AS r ON r.principal_id = m.role_principal_id "
        "JOIN sys.database_principals AS p ON p.principal_id = m.member_principal_id "
        "WHERE p.name = :login AND r.name IN ('db_owner', 'db_securityadmin', 'db_accessadmin', "
        "'db_ddladmin', 'db_datareader', 'db_datawriter')"
    ),
}
# What was granted to the login itself, on tables where ours are. SQL Server's
# INFORMATION_SCHEMA would leave out what a member of db_owner grants: there, dbo has granted it.
HELD = {
    "postgresql": (
        "SELECT table_name, privilege_type FROM information_schema.table_privileges "
        "WHERE grantee = :login AND table_schema = current_schema()"
    ),
    "mssql": (
        "SELECT o.name, p.permission_name FROM sys.database_permissions AS p "
        "JOIN sys.objects AS o ON o.object_id = p.major_id "
        "WHERE p.class = 1 AND p.minor_id = 0 AND p.state IN ('G', 'W') "
        "AND p.grantee_principal_id = DATABASE_PRINCIPAL_ID(:login) AND o.schema_id = SCHEMA_ID()"
    ),
}


class Right(NamedTuple):
    """One privilege on one table."""

    table: str
    privilege: str


class Change(NamedTuple):
    """Privileges on a table that a login is given, or that are taken from it."""

    verb: Literal["GRANT", "REVOKE"]
    privileges: tuple[str, ...]
    table: str
    login: str

    def statement(self, dialect: sa.Dialect) -> str:
        """As a cursor of that dialect takes it."""
        quoted = dialect.identifier_preparer
        of = quoted.quote(self.table), quoted.quote_identifier(self.login)
        return self._said(*of)

    def __str__(self) -> str:
        """The same for a person to read."""
        return self._said(self.table, self.login)

    def _said(self, table: str, login: str) -> str:
        way = "TO" if self.verb == "GRANT" else "FROM"
        return f"{self.verb} {', '.join(self.privileges)} ON {table} {way} {login}"


def rights_of(*roles: str) -> frozenset[Right]:
    """What the roles may do, together."""
    parts = {part for role in roles for part in ROLES[role]}
    return frozenset(
        Right(table, PRIVILEGES[letter])
        for table, allowed in RIGHTS.items()
        for part in parts
        for letter in allowed.get(part, "")
    )


def roles_by_login(words: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
    """Of words like `service=leafgate_service`. Raises UserError `bad_option` for any other."""
    found: dict[str, tuple[str, ...]] = {}
    for word in words:
        role, _, login = word.partition("=")
        if role not in ROLES or not login.strip() or not login.isprintable():
            what = "login" if role in ROLES else f"role that is known: {role!r}"
            raise UserError(
                f"--grant {word!r} has no {what}",
                f"give ROLE=LOGIN with a login of the database; roles are: {', '.join(ROLES)}",
                code="bad_option",
            )
        found[login] = (*found.get(login, ()), role)
    return found


def require_logins(engine: sa.Engine) -> None:
    """Raises UserError for a database that has none."""
    if engine.dialect.name not in LOGINS:
        raise UserError(
            f"--grant is for databases with logins, and {engine.dialect.name} has none",
            "leave it out: who may read and write the file is up to the file's permissions",
            code="bad_option",
        )


def give_rights(engine: sa.Engine, roles: Mapping[str, Sequence[str]]) -> tuple[Change, ...]:
    """Let each login (the key) do what its roles take, and nothing else in LeafGate's tables.

    Returns what was changed: nothing where it was so already. Raises UserError, and then nothing is
    changed, for a login that is unknown (`no_such_login`) or may do more by other ways
    (`too_mighty_login`), and where ours may not give rights (`grant_failed`).
    """
    require_logins(engine)
    done: list[Change] = []
    with connect(engine) as connection, _answering(engine):
        lock_schema(connection)
        for login, its in roles.items():
            wanted = rights_of(*its)
            _require_ordinary(connection, login)
            for change in _changes(login, _held(connection, login), wanted):
                connection.exec_driver_sql(change.statement(connection.dialect))
                done.append(change)
            if _held(connection, login) != wanted:  # PostgreSQL warns, and does nothing
                raise _failed(engine, f"{login!r} got none")
            _require_no_more(connection, login, wanted)
        connection.commit()
    return tuple(done)


@contextmanager
def _answering(engine: sa.Engine) -> Iterator[None]:
    try:
        with driver_errors(engine):
            yield
    except DBAPIError as error:
        raise _failed(engine, reason(error)) from error


def _failed(engine: sa.Engine, why: str) -> UserError:
    return UserError(
        f"rights could not be given at {place_of(engine)}, and nothing was changed ({why})",
        "run `leafgate db migrate --grant …` as the owner of the tables",
        code="grant_failed",
    )


def _changes(login: str, held: frozenset[Right], wanted: frozenset[Right]) -> Iterator[Change]:
    ways: tuple[tuple[Literal["GRANT", "REVOKE"], frozenset[Right]], ...]
    ways = (("REVOKE", held - wanted), ("GRANT", wanted - held))
    for verb, rights in ways:
        for table in RIGHTS:
            if privileges := sorted(each.privilege for each in rights if each.table == table):
                yield Change(verb, tuple(privileges), table, login)


def _held(connection: sa.Connection, login: str) -> frozenset[Right]:
    rows = connection.execute(sa.text(HELD[connection.dialect.name]), {"login": login})
    return frozenset(Right(table, privilege) for table, privilege in rows if table in RIGHTS)


def _require_ordinary(connection: sa.Connection, login: str) -> None:
    """Before anything is taken from it: an owner could lose what it needs."""
    name, asked = connection.dialect.name, {"login": login}
    if connection.scalar(sa.text(LOGINS[name]), asked) is None:
        raise UserError(
            f"the database at {place_of(connection.engine)} knows no login {login!r}",
            "make it there first (on SQL Server: a user in this database), or correct --grant",
            code="no_such_login",
        )
    above = connection.scalar(sa.text(MIGHTIER[name]), asked)
    if above is not None:
        raise _too_mighty(login, f"has all rights of {above!r}")


def _require_no_more(connection: sa.Connection, login: str, wanted: frozenset[Right]) -> None:
    """On PostgreSQL, which tells of others than oneself."""
    if connection.dialect.name != "postgresql":
        return
    every = (Right(table, each) for table in RIGHTS for each in (*PRIVILEGES.values(), "TRUNCATE"))
    others = [right for right in every if right not in wanted]
    found = connection.execute(
        sa.select(*(sa.func.has_table_privilege(login, *right) for right in others))
    ).one()
    for right, has in zip(others, found, strict=True):
        if has:
            way = "since everybody may, or a role that it is in"
            raise _too_mighty(login, f"may {right.privilege} on {right.table}, {way}")


def _too_mighty(login: str, why: str) -> UserError:
    return UserError(
        f"the login {login!r} {why}: more than its part needs",
        "take that from it, or give the part a login of its own",
        code="too_mighty_login",
    )
