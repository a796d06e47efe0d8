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
# SQL Server, as ODBC drivers say it: a timeout, a connection lost, a transaction rolled back.
ODBC_CLASSES = ("HYT", "08", "40")
NUMBERS = frozenset(
    {
        *(1203, 1204, 1205, 1222),  # no lock: out of them, a deadlock, a timeout
        *(3960, 41302, 41305, 41325),  # another transaction changed the same rows
        *(701, 802, 8645, 8651, 8628),  # out of memory, or of time to plan
        *(845, 823, 824, 9001, 9002, 1101, 1105, 5149),  # the disk: slow, failing, full
        *(3906, 3908, 921, 922, 926, 927, 945, 978, 983, 988, 4060),  # not to be had or written now
        *(6005, 17142, 18401, 596),  # shutting down, paused, starting, session ended
        *(64, 121, 233, 10053, 10054, 10060),  # connection lost
        *(40197, 40501, 40540, 40613, 40143, 10928, 10929, 49918, 49919, 49920),  # Azure's
    }
)
NUMBER = re.compile(r"\((\d+)\)(?: \(SQL\w+\)|; \[|$)")
STATE = re.compile(r"[0-9A-Z]{5}", re.ASCII)


def is_busy(error: DBAPIError) -> bool:
    """Whether the same may be answered later."""
    cause = error.orig
    if isinstance(cause, sqlite3.Error):
        return getattr(cause, "sqlite_errorcode", 0) & 0xFF in SQLITE_CODES
    if isinstance(getattr(cause, "sqlstate", None), str):  # psycopg's
        state = state_of(error) or ""
        return state in STATES or state.startswith(STATE_CLASSES)
    if (state_of(error) or "").startswith(ODBC_CLASSES):
        return True
    return not NUMBERS.isdisjoint(server_numbers(error))


def state_of(error: DBAPIError) -> str | None:
    """The SQLSTATE that the driver tells, if any."""
    said = getattr(error.orig, "sqlstate", None)  # psycopg's
    if said is None and error.orig is not None and error.orig.args:
        said = error.orig.args[0]  # pyodbc's
    return said if isinstance(said, str) and STATE.fullmatch(said) else None


def server_numbers(error: DBAPIError) -> frozenset[int]:
    """The numbers of the errors that SQL Server reports, as ODBC drivers end what it said."""
    said = error.orig.args if error.orig is not None else ()
    return frozenset(int(number) for text in said for number in NUMBER.findall(str(text)))
