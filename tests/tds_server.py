"""A small server of the TDS protocol (MS-TDS 7.4) in front of SQLite, for drivers to talk to.

It knows no T-SQL of its own: what SQLite understands is run there (a multi-row INSERT, a SELECT by
ids), what a driver or SQLAlchemy asks beside is answered from a table, and everything is noted:
statements, and how many parameters of which types came with each. It shows what a driver really
sends. Of what SQL Server refuses and SQLite takes it knows only what was once written here by
mistake, so that it is no test of all that SQL Server would say.
"""

import re
import socket
import sqlite3
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.tds import ANSWER, LOGIN, PRELOGIN, PRELOGIN_ANSWER, acknowledged

BATCH, RPC, TRANSACTION = 0x01, 0x03, 0x0E
BEGIN, COMMIT, ROLLBACK = 5, 7, 8
WORDS = {BEGIN: "BEGIN", COMMIT: "COMMIT", ROLLBACK: "ROLLBACK"}
DESCRIPTOR = b"\1" + bytes(7)
PREPARE, EXECUTE, PREPARE_AND_EXECUTE, UNPREPARE, EXECUTE_SQL = 11, 12, 13, 15, 10
MAX_PARAMETERS, MAX_ROWS = 2100, 1000  # SQL Server's own bounds
PACKET = 4096
COLLATION = bytes.fromhex("0904d00034")
ROWS, COUNTED, MORE = 0, 0x10, 0x01

PARAMETER = re.compile(r"@P\d+|\?")

Value = Any
# What SQLAlchemy asks a SQL Server that it does not know yet; one column each.
KNOWN: tuple[tuple[str, str], ...] = (
    ("serverproperty('productversion')", "16.0.4000.1"),
    ("schema_name()", "dbo"),
    ("nvarchar(max)", "test max support"),
    ("fn_listextendedproperty", "1"),
    ("sys.system_views", "dm_exec_sessions"),
    ("transaction_isolation_level", "READ COMMITTED"),
)


SIZES = {12: 8000, -9: 4000, -3: 8000, 93: 27}  # of VARCHAR, NVARCHAR, VARBINARY, DATETIME2


@dataclass(frozen=True)
class Refusal(Exception):
    """What the server says instead: a number and a text, as SQL Server has them."""

    number: int
    text: str


@dataclass
class Statement:
    """One that came in. types: of its parameters, as the driver declared them."""

    sql: str
    values: tuple[Value, ...] = ()
    types: str = ""


@dataclass
class TdsServer:
    """What a test looks at. refuse: called with each statement before it is run."""

    port: int
    file: Path
    statements: list[Statement] = field(default_factory=list)
    refuse: Callable[[Statement], None] = lambda _: None
    lost: int = 0  # rows of each INSERT that it does not count

    def inserts(self, table: str) -> list[Statement]:
        """The INSERTs into a table, in order."""
        return [each for each in self.statements if each.sql.startswith(f"INSERT INTO {table} ")]


@contextmanager
def tds_server(file: Path) -> Iterator[TdsServer]:
    """A server over the SQLite database in that file; each connection of a driver is one there."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = TdsServer(listening.getsockname()[1], file)
        thread = threading.Thread(target=_serve, args=(listening, server), daemon=True)
        thread.start()
        yield server
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()


def _serve(listening: socket.socket, server: TdsServer) -> None:
    with suppress(OSError):  # shut down
        while True:
            connection, _ = listening.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=_Session(server, connection).run, daemon=True).start()


class _Session:
    """One connection of a driver."""

    def __init__(self, server: TdsServer, connection: socket.socket) -> None:
        self.server, self.connection = server, connection
        self.prepared: dict[int, tuple[str, str]] = {}

    def run(self) -> None:
        """Answer until the driver goes."""
        self.database = sqlite3.connect(self.server.file, timeout=30, isolation_level=None)
        with self.connection, suppress(OSError, EOFError):
            while True:
                kind, body = self._read()
                if kind == PRELOGIN:
                    self._send(PRELOGIN_ANSWER)
                elif kind == LOGIN:
                    self._send(acknowledged() + _done(0))
                elif kind == BATCH:
                    sql = body[_headers(body) :].decode("utf-16-le")
                    self._send(self._answer(Statement(sql.strip())))
                elif kind == RPC:
                    self._send(self._call(_Reader(body, _headers(body))))
                elif kind == TRANSACTION:
                    self._send(self._transact(body[_headers(body) :]))
                else:  # attention: what ran has ended already
                    self._send(_done(0x20))
        self.database.close()

    def _read(self) -> tuple[int, bytes]:
        parts, last, kind = [], False, 0
        while not last:
            head = self._exactly(8)
            kind, status, length = struct.unpack(">BBH", head[:4])
            parts.append(self._exactly(length - 8))
            last = bool(status & 1)
        return kind, b"".join(parts)

    def _exactly(self, size: int) -> bytes:
        found = self.connection.recv(size, socket.MSG_WAITALL) if size else b""
        if len(found) < size:
            raise EOFError
        return found

    def _send(self, said: bytes) -> None:
        pieces = [said[at : at + PACKET - 8] for at in range(0, len(said), PACKET - 8)] or [b""]
        for number, piece in enumerate(pieces, 1):
            last = number == len(pieces)
            head = struct.pack(">BBHHBB", ANSWER, int(last), len(piece) + 8, 0, number % 256, 0)
            self.connection.sendall(head + piece)

    def _transact(self, body: bytes) -> bytes:
        """Begin, commit or roll back; after the latter two another one may begin at once."""
        (asked,) = struct.unpack("<H", body[:2])
        begins_anew = asked != BEGIN and bool(body[3 + body[2]] & 1)
        statement = Statement(WORDS[asked])
        self.server.statements.append(statement)
        try:
            self.server.refuse(statement)
        except Refusal as refusal:
            return _error(refusal) + _done(2)
        if asked != BEGIN and self.database.in_transaction:
            self.database.execute(WORDS[asked])
        changes = {
            BEGIN: _changed(8, DESCRIPTOR, b""),
            COMMIT: _changed(9, b"", DESCRIPTOR),
            ROLLBACK: _changed(10, b"", DESCRIPTOR),
        }
        return changes[asked] + (changes[BEGIN] if begins_anew else b"") + _done(0)

    def _call(self, reader: "_Reader") -> bytes:
        """A stored procedure: those by which drivers send statements with parameters."""
        procedure = reader.procedure()
        reader.skip(2)
        given = reader.parameters()
        handle = len(self.prepared) + 1
        if procedure == EXECUTE_SQL:
            sql, types, *values = (*given, "") if len(given) == 1 else given
            return self._answer(Statement(sql, tuple(values), types or ""), in_procedure=True)
        if procedure in (PREPARE, PREPARE_AND_EXECUTE):
            _, types, sql, *values = given
            self.prepared[handle] = sql, types or ""
            told = _return_value(handle)
            if procedure == PREPARE:
                return told + _done(0, 0, 0xFE)
            return self._answer(Statement(sql, tuple(values), types or ""), True, told)
        if procedure == EXECUTE:
            number, *values = given
            sql, types = self.prepared[number]
            return self._answer(Statement(sql, tuple(values), types), in_procedure=True)
        return _done(0, 0, 0xFE)

    def _answer(self, statement: Statement, in_procedure: bool = False, told: bytes = b"") -> bytes:
        """told: what a procedure returns beside."""
        self.server.statements.append(statement)
        end = 0xFE if in_procedure else 0xFD
        try:
            self.server.refuse(statement)
            if len(statement.values) > MAX_PARAMETERS - 2:  # two go for the statement itself
                raise Refusal(8003, f"too many parameters: {len(statement.values)}")
            names, rows, count = self._run(statement)
        except Refusal as refusal:
            return _error(refusal) + _done(2, 0, end)
        except sqlite3.Error as error:
            return _error(_as_sql_server_says(error)) + _done(2, 0, end)
        count = len(rows) if names else count
        said = _table(names, rows) if names else b""
        if not in_procedure:
            return said + _done(COUNTED, count)
        returned = b"\x79" + bytes(4)
        return said + _done(COUNTED | MORE, count, 0xFF) + returned + told + _done(0, 0, end)

    def _run(self, statement: Statement) -> tuple[list[str], list[tuple[Value, ...]], int]:
        words = " ".join(statement.sql.split()).lower()
        if words.startswith(("set ", "use ")):
            return [], [], 0
        if words.startswith("sp_datatype_info"):
            kind = int(words.split()[1].split(",")[0])
            return ["TYPE_NAME", "DATA_TYPE", "PRECISION"], [("x", kind, SIZES[kind])], 0
        for asked, told in KNOWN:
            if asked in words:
                return ["told"], [(told,)], 0
        _require_t_sql(statement.sql)
        if renamed := re.fullmatch(r"exec sp_rename '(\w+)', '(\w+)'", words):
            self.database.execute("ALTER TABLE {} RENAME TO {}".format(*renamed.groups()))
            return [], [], 0
        if not self.database.in_transaction:
            self.database.execute("BEGIN")
        names = {f"P{place}": value for place, value in enumerate(statement.values, 1)}
        if words.startswith("insert"):
            rows = statement.sql.count("), (") + 1
            if rows > MAX_ROWS:
                raise Refusal(10738, f"too many rows: {rows}")
        sql = re.sub(r"\bN'", "'", statement.sql)
        cursor = self.database.execute(sql, names if names else ())
        columns = [each[0] for each in cursor.description or ()]
        count = cursor.rowcount - (self.server.lost if words.startswith("insert") else 0)
        return columns, cursor.fetchall() if columns else [], count


def _require_t_sql(sql: str) -> None:
    """Refuse what SQLite understands and SQL Server does not, of what was written here before."""
    if re.search(r"\bALTER TABLE\b.*\bRENAME\b", sql, re.IGNORECASE | re.DOTALL):
        raise Refusal(102, "Incorrect syntax near 'RENAME'.")
    if re.search(r"\bLIMIT\b", sql, re.IGNORECASE):
        raise Refusal(102, "Incorrect syntax near 'LIMIT'.")
    grouped = re.search(r"\bGROUP BY\b(.*)", sql, re.IGNORECASE | re.DOTALL)
    if grouped and PARAMETER.search(re.split(r"\bHAVING\b|\bORDER BY\b", grouped[1])[0]):
        raise Refusal(8120, "Column is invalid in the select list: not in the GROUP BY clause")


def _as_sql_server_says(error: sqlite3.Error) -> Refusal:
    code = getattr(error, "sqlite_errorcode", 0)
    if code in (sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, sqlite3.SQLITE_CONSTRAINT_UNIQUE):
        return Refusal(2627, f"Violation of PRIMARY KEY constraint. {error}")
    if code == sqlite3.SQLITE_CONSTRAINT_NOTNULL:
        return Refusal(515, f"Cannot insert the value NULL. {error}")
    return Refusal(102, f"Incorrect syntax. {error}")


def _headers(body: bytes) -> int:
    return int(struct.unpack("<I", body[:4])[0])


class _Reader:
    """The body of a remote procedure call."""

    def __init__(self, body: bytes, at: int) -> None:
        self.body, self.at = body, at

    def take(self, size: int) -> bytes:
        self.at += size
        return self.body[self.at - size : self.at]

    def skip(self, size: int) -> None:
        self.at += size

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "little")

    def procedure(self) -> int:
        length = self.number(2)
        if length == 0xFFFF:
            return self.number(2)
        name = self.take(2 * length).decode("utf-16-le").lower()
        return {"sp_executesql": EXECUTE_SQL, "sp_prepare": PREPARE, "sp_execute": EXECUTE}.get(
            name, UNPREPARE
        )

    def parameters(self) -> list[Value]:
        found = []
        while self.at < len(self.body):
            self.take(2 * self.number(1))  # its name
            self.skip(1)
            found.append(self._value())
        return found

    def _value(self) -> Value:
        kind = self.number(1)
        if kind in (0xE7, 0xEF, 0xA7, 0xAF, 0xA5, 0xAD):
            return self._text(kind)
        if kind in (0x63, 0x23):  # NTEXT, TEXT
            self.skip(9)
            size = self.number(4)
            data = None if size == 0xFFFFFFFF else self.take(size)
            return data if data is None else data.decode("utf-16-le" if kind == 0x63 else "utf-8")
        scale = 0
        if kind in (0x26, 0x6D, 0x68, 0x6F, 0x6E):
            self.skip(1)
        elif kind in (0x6A, 0x6C):
            self.skip(2)
            scale = self.number(1)
        elif kind in (0x2A, 0x29, 0x2B):
            scale = self.number(1)
        elif kind == 0x38:
            return struct.unpack("<i", self.take(4))[0]
        elif kind != 0x28:
            raise ValueError(f"type {kind:#x} is not known here")
        data = self.take(self.number(1))
        return _decoded(kind, data, scale) if data else None

    def _text(self, kind: int) -> Value:
        longest = self.number(2)
        wide, is_bytes = kind in (0xE7, 0xEF), kind in (0xA5, 0xAD)
        self.skip(0 if is_bytes else 5)
        if longest == 0xFFFF:  # in parts
            if self.number(8) == 0xFFFFFFFFFFFFFFFF:
                return None
            parts = []
            while size := self.number(4):
                parts.append(self.take(size))
            data = b"".join(parts)
        else:
            size = self.number(2)
            if size == 0xFFFF:
                return None
            data = self.take(size)
        return data if is_bytes else data.decode("utf-16-le" if wide else "utf-8")


def _decoded(kind: int, data: bytes, scale: int) -> Value:
    if kind in (0x26, 0x68):
        return int.from_bytes(data, "little", signed=kind == 0x26)
    if kind == 0x6D:
        return struct.unpack("<d" if len(data) == 8 else "<f", data)[0]
    if kind in (0x6A, 0x6C):
        value = int.from_bytes(data[1:], "little")
        return (
            (value if data[0] else -value) / 10**scale if scale else (value if data[0] else -value)
        )
    if kind == 0x6F:  # DATETIME: days since 1900, and 300ths of a second
        days, ticks = struct.unpack("<iI", data)
        return str(datetime(1900, 1, 1) + timedelta(days=days, milliseconds=round(ticks * 10 / 3)))
    if kind == 0x2A:  # DATETIME2: ticks of the scale since midnight, and days since year 1
        ticks, days = int.from_bytes(data[:-3], "little"), int.from_bytes(data[-3:], "little")
        start = datetime.combine(date.fromordinal(days + 1), datetime.min.time())
        moment = start + timedelta(microseconds=ticks * 10**6 // 10**scale)
        return moment.isoformat(" ", "microseconds")
    raise ValueError(f"type {kind:#x} is not known here")


def _done(status: int, count: int = 0, token: int = 0xFD) -> bytes:
    return bytes([token]) + struct.pack("<HHQ", status, 0xC1, count)


def _return_value(number: int) -> bytes:
    return (
        b"\xac" + struct.pack("<HBBIH", 0, 0, 1, 0, 0) + b"\x26\x04\x04" + struct.pack("<i", number)
    )


def _changed(what: int, new: bytes, old: bytes) -> bytes:
    body = bytes([what, len(new)]) + new + bytes([len(old)]) + old
    return b"\xe3" + struct.pack("<H", len(body)) + body


def _error(refusal: Refusal) -> bytes:
    text, server = refusal.text[:400], "server"
    body = struct.pack("<IBB", refusal.number, 1, 16)
    body += struct.pack("<H", len(text)) + text.encode("utf-16-le")
    body += bytes([len(server)]) + server.encode("utf-16-le") + b"\0" + struct.pack("<I", 1)
    return b"\xaa" + struct.pack("<H", len(body)) + body


def _table(names: Sequence[str], rows: Sequence[Sequence[Value]]) -> bytes:
    """Text in every column, which a driver turns into what is asked for; numbers as numbers."""
    kinds = [_kind(row[place] for row in rows) for place in range(len(names))]
    said = b"\x81" + struct.pack("<H", len(names))
    for name, kind in zip(names, kinds, strict=True):
        said += struct.pack("<IH", 0, 1) + TYPES[kind]
        said += bytes([len(name)]) + name.encode("utf-16-le")
    for row in rows:
        said += b"\xd1" + b"".join(map(_cell, kinds, row))
    return said


TYPES = {
    int: b"\x26\x08",
    float: b"\x6d\x08",
    str: b"\xe7" + struct.pack("<H", 8000) + COLLATION,
}


def _kind(values: Iterator[Value]) -> type:
    found = {type(value) for value in values if value is not None}
    return next(iter(found)) if (found and found <= {int}) or found == {float} else str


def _cell(kind: type, value: Value) -> bytes:
    if kind is str:
        if value is None:
            return b"\xff\xff"
        data = str(value).encode("utf-16-le")
        return struct.pack("<H", len(data)) + data
    if value is None:
        return b"\0"
    return b"\x08" + struct.pack("<q" if kind is int else "<d", value)
