"""Telling why a database refused a row: it is there already, or it will never be taken.

A row without a value that must be there, too long, out of range or of the wrong kind is refused
again however often it is sent; one that meets a deadlock, a lock or a failover is not
(`sql.busy`). Drivers say which it was in three ways: SQLite by a code, PostgreSQL by an SQLSTATE,
SQL Server by a number, which counts more than the state: FreeTDS does not know a state for every
number.
"""

import sqlite3
from collections.abc import Set

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError

from sql.busy import is_busy, server_numbers, state_of

SQLITE_DUPLICATES = frozenset(
    {sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, sqlite3.SQLITE_CONSTRAINT_UNIQUE}
)
SQLITE_REFUSED = frozenset(
    {sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_TOOBIG}
)
DUPLICATE_STATE = "23505"  # PostgreSQL's
# Data exceptions and integrity constraints; of an ODBC driver, a value of a kind that it cannot
# send.
REFUSED_CLASSES = ("22", "23", "07006", "HY105", "HY090", "HY104")
DUPLICATES = frozenset({2601, 2627})  # in a unique index, in a key
# No value (515), a constraint (547), too long (8152, 2628), out of range (220, 232, 517, 8115),
# no number or time (241, 242, 245, 248, 295, 8114), no valid value of its type, as NaN (8023).
REFUSED = frozenset(
    {515, 547, 8152, 2628, 220, 232, 517, 8115, 241, 242, 245, 248, 295, 8114, 8023}
)
# What drivers say of a value that they cannot send, without a code.
NOT_SENT = ("Error binding parameter", "cannot adapt type", "Invalid parameter type")


def is_duplicate(error: DBAPIError) -> bool:
    """Whether a row with the same key is there already."""
    cause = error.orig
    if isinstance(cause, sqlite3.Error):
        return getattr(cause, "sqlite_errorcode", 0) in SQLITE_DUPLICATES
    if numbers := server_numbers(error):
        return not DUPLICATES.isdisjoint(numbers)
    return state_of(error) == DUPLICATE_STATE


def is_refused(error: DBAPIError) -> bool:
    """Whether the row is at fault: the same one would be refused again."""
    if is_busy(error):
        return False
    cause = error.orig
    if isinstance(cause, sqlite3.Error):
        code = getattr(cause, "sqlite_errorcode", None)
        return _not_sent(cause) if code is None else code & 0xFF in SQLITE_REFUSED
    numbers: Set[int] = server_numbers(error)
    if not (DUPLICATES | REFUSED).isdisjoint(numbers):
        return True
    state = state_of(error)
    if state is not None and state.startswith(REFUSED_CLASSES):
        return True
    return isinstance(error, DataError | IntegrityError) or _not_sent(cause)


def _not_sent(cause: BaseException | None) -> bool:
    return any(words in str(cause) for words in NOT_SENT)
