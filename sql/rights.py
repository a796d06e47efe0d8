"""Telling that a database refused because the login lacks a right, and for no other reason."""

import re

from sqlalchemy.exc import DBAPIError

# Not allowed; and no schema that the login could make a table in.
STATES = frozenset({"42501", "3F000"})
# SQL Server's: no SELECT or the like on a table (229) or a column (230), no CREATE TABLE (262), no
# right to act at all (297, 300, 3704, 15247) or to hand a right on (4613); and what it pretends
# not to find instead (1088, 2760, 3701, 4902, 15151).
NUMBERS = frozenset(
    {229, 230, 262, 297, 300, 1088, 2760, 3701, 3704, 4613, 4902, 15151, 15247},
)
NUMBER = re.compile(r"\((\d+)\) \(SQL\w+\)")  # as ODBC drivers end what the server said


def lacks_rights(error: DBAPIError) -> bool:
    """Whether the login may not do what was asked."""
    state = getattr(error.orig, "sqlstate", None)  # PostgreSQL's
    if state is not None:
        return state in STATES
    said = str(error.orig)
    return "permission" in said or not NUMBERS.isdisjoint(map(int, NUMBER.findall(said)))
