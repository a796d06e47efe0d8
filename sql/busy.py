"""Telling that a database is there but cannot do what was asked at this moment.

It is locked by another, full, read-only during a failover, or about to restart: the same question
may be answered later.
"""

import re
import sqlite3

from sqlalchemy.exc import DBAPIError

SQLITE_CODES = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_INTERRUPT,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
    }
)
# PostgreSQL: connection lost (08), rolled back by a deadlock (40), out of a resource (53), an
# operator's intervention or a timeout (57), a fault of its system (58); read-only; lock not had.
STATE_CLASSES = ("08", "40", "53", "57", "58")
STATES = frozenset({"25006", "55P03"})
# SQL Server, as ODBC drivers say it: a timeout, a connection lost, a deadlock.
ODBC_STATES = frozenset({"HYT00", "HYT01", "08S01", "08001", "08007", "40001", "40003"})
# Out of locks (1204), deadlock (1205), lock timeout (1222), no space (1101, 1105), log full (9002),
# read-only (3906), database not available (921, 922, 983), too many at once (10928, 10929).
NUMBERS = frozenset({1204, 1205, 1222, 1101, 1105, 9002, 3906, 921, 922, 983, 10928, 10929})
NUMBER = re.compile(r"\((\d+)\) \(SQL\w+\)")


def is_busy(error: DBAPIError) -> bool:
    """Whether the same may be answered later."""
    cause = error.orig
    if isinstance(cause, sqlite3.Error):
        return getattr(cause, "sqlite_errorcode", 0) & 0xFF in SQLITE_CODES
    state = getattr(cause, "sqlstate", None)  # psycopg's
    if isinstance(state, str):
        return state in STATES or state.startswith(STATE_CLASSES)
    said = cause.args if cause is not None else ()
    if said and said[0] in ODBC_STATES:
        return True
    return not NUMBERS.isdisjoint(map(int, NUMBER.findall(str(cause))))
