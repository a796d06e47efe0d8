"""Who may do what: every table is thought of, the page says the same, and SQL Server takes it."""

import re
from pathlib import Path

import pyodbc
import pytest
import sqlalchemy as sa
from sqlalchemy.exc import ProgrammingError
from sqlfluff.core import Linter

from leafgate.errors import UserError
from sql import Change, require_logins, roles_by_login
from sql.granting import HELD, LOGINS, MIGHTIER, PARTS, RIGHTS, ROLES, Right, rights_of
from sql.rights import lacks_rights
from sql.schema import metadata

README = Path(__file__).parents[2] / "sql" / "README.md"
SQL_SERVER = sa.make_url("mssql+pyodbc://").get_dialect()()


def test_every_table_says_who_may_do_what() -> None:
    """A new one makes this fail, until somebody has thought of it."""
    assert set(RIGHTS) == {*metadata.tables, "alembic_version"}
    assert {part for allowed in RIGHTS.values() for part in allowed} == set(PARTS)
    assert {part for parts in ROLES.values() for part in parts} == set(PARTS)


def test_nobody_rewrites_the_audit_and_the_dashboard_reads_alone() -> None:
    for role in ROLES:
        rights = rights_of(role)
        assert not {Right("audit", "UPDATE"), Right("audit", "DELETE")} & rights
        assert [each for each in rights if each.table == "alembic_version"] == [
            Right("alembic_version", "SELECT")
        ]
    assert {each.privilege for each in rights_of("dashboard")} == {"SELECT"}
    assert not {"users", "revoked_tokens", "audit"} & {
        each.table for each in rights_of("dashboard")
    }


def test_no_table_numbers_its_rows_by_a_sequence_that_would_need_rights() -> None:
    assert [t.name for t in metadata.tables.values() if t.autoincrement_column is not None] == []


def test_the_page_says_who_may_do_what() -> None:
    _, section = README.read_text("utf-8").split("## Logins with only the rights they need\n")
    rows = re.findall(r"^\| `(\w+)` \|(.*)\|$", section, re.MULTILINE)
    told = {name: [cell.strip() for cell in cells.split("|")] for name, cells in rows}
    for table, allowed in RIGHTS.items():
        assert told[table] == [allowed.get(part, "") for part in PARTS], table


def test_sql_server_is_told_nothing_that_it_cannot_parse() -> None:
    said = [text["mssql"].replace(":", "@") for text in (HELD, LOGINS, MIGHTIER)]
    for verb in ("GRANT", "REVOKE"):
        for right in sorted(rights_of("service") | {Right("audit", "REFERENCES")}):
            change = Change(verb, (right.privilege, "SELECT"), right.table, "o'hara x")  # type: ignore[arg-type]
            said.append(change.statement(SQL_SERVER))
    assert "GRANT INSERT, SELECT ON audit TO [o'hara x]" in said
    assert Change("GRANT", ("SELECT",), "audit", "o]x").statement(SQL_SERVER).endswith("[o]]x]")
    linter = Linter(dialect="tsql")
    assert linter.parse_string("GRANT SELECT ONTO audit;\n").violations  # it does look
    found = linter.parse_string(";\n".join([*said, ""])).violations
    assert not found, [str(each) for each in found]


@pytest.mark.parametrize(
    ("word", "named"),
    [("admin=ada", "'admin'"), ("ada", "'ada'"), ("", "''"), ("service", "no login")]
    + [(f"service={login}", "no login") for login in ("", "  ", "a\0b", "a\nb")],
)
def test_a_grant_that_is_none_is_refused_with_the_roles(word: str, named: str) -> None:
    with pytest.raises(UserError) as raised:
        roles_by_login([word])
    assert raised.value.code == "bad_option"
    assert named in raised.value.problem
    assert "service, trainer, dashboard" in raised.value.fix


def test_sqlite_has_no_logins(embedded: sa.Engine) -> None:
    with pytest.raises(UserError, match="sqlite has none"):
        require_logins(embedded)


@pytest.mark.parametrize(
    ("said", "lacks"),
    [
        ("The SELECT permission was denied on the object 'users', database 'x'. (229)", True),
        ("Die CREATE TABLE-Berechtigung wurde in der x-Datenbank verweigert. (262)", True),
        ("Cannot find the object 'x' because it does not exist or you do not have … (1088)", True),
        ("Invalid object name 'alembic_version'. (208)", False),
        ("Incorrect syntax near '229'. (102)", False),
    ],
)
def test_what_sql_server_says_for_want_of_a_right_is_known(said: str, lacks: bool) -> None:
    text = f"[42000] [Microsoft][ODBC Driver 18 for SQL Server][SQL Server]{said} (SQLExecDirectW)"
    error = pyodbc.ProgrammingError("42000", text)
    assert lacks_rights(ProgrammingError("", None, error)) == lacks
