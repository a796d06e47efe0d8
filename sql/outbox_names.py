"""How the folder of a database's outboxes is named: by the host and the database alone.

Neither a user, a password nor an option of the driver is part of the name, so that what waits is
found once one of them was changed. The file of a SQLite database is named from the state folder on,
so that both may be moved together.
"""

import hashlib
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import sqlalchemy as sa

from leafgate.sqlite_url import readable, sqlite_file

PORTS = {"postgresql": 5432, "mssql": 1433, "mysql": 3306, "mariadb": 3306, "oracle": 1521}
DRIVERS = {
    "postgresql": ("", "psycopg", "psycopg2", "asyncpg", "pg8000"),
    "mssql": ("", "pyodbc", "pymssql", "mssqlpython"),
}
HOSTS = ("server", "address", "addr", "host", "dsn")  # what drivers call them in options
DATABASES = ("database", "dbname", "initial catalog")


def folder_of(var_dir: Path, database_url: str) -> Path:
    """Where the outboxes of a database lie: entries of one must not end in another."""
    return _folder(var_dir, "\0".join(_place(var_dir, database_url)))


def former_folders(var_dir: Path, database_url: str) -> tuple[Path, ...]:
    """Those that are there under the names of older versions, which held driver, user, options and
    whether there was a password.
    """
    names = dict.fromkeys(_former_names(database_url))
    folders = (_folder(var_dir, name) for name in names)
    return tuple(folder for folder in folders if folder.is_dir())


def _folder(var_dir: Path, name: str) -> Path:
    return var_dir / "outbox" / hashlib.sha256(name.encode()).hexdigest()[:12]


def _place(var_dir: Path, database_url: str) -> tuple[str, str, str]:
    """Kind of database, host with port, and database."""
    if (file := sqlite_file(database_url)) is not None:
        file, state = file.resolve(), var_dir.resolve()
        inside = file.is_relative_to(state)
        return "sqlite", "", (file.relative_to(state) if inside else file).as_posix()
    url = sa.make_url(database_url)
    kind = url.get_backend_name()
    options = _options(url)
    host = url.host or next((options[name] for name in HOSTS if name in options), "")
    database = url.database or next((options[name] for name in DATABASES if name in options), "")
    if not database and kind == "postgresql":
        database = url.username or options.get("user", "")  # as libpq has it
    host = host.lower().removeprefix("tcp:").replace(",", ":")  # SQL Server's `tcp:host,port`
    port = str(url.port or options.get("port") or "")
    if port and not host.endswith(f":{port}"):
        host = f"{host}:{port}"
    return kind, host.removesuffix(f":{PORTS.get(kind)}"), database


def _options(url: sa.URL) -> dict[str, str]:
    """The options of a URL by lower-case name, those of an ODBC connection string among them."""
    found = {name.lower(): _joined(value) for name, value in url.query.items()}
    for part in found.get("odbc_connect", "").split(";"):
        name, sign, value = part.partition("=")
        if sign:
            found[name.strip().lower()] = value.strip().strip("{}")
    return found


def _joined(value: str | tuple[str, ...]) -> str:
    return value if isinstance(value, str) else ",".join(value)


def _former_names(database_url: str) -> Iterator[str]:
    """What older versions may have named the database's folder after: all kinds of the same URL."""
    if (file := sqlite_file(database_url)) is not None:
        for path in dict.fromkeys((file, file.absolute(), file.resolve())):
            # A path was put into a URL as it was, and may have been read as another one there.
            yield sa.make_url(f"sqlite:///{path}").render_as_string()
            yield sa.URL.create("sqlite", database=str(path)).render_as_string()
    url = sa.make_url(readable(database_url))
    kind = url.get_backend_name()
    drivers = dict.fromkeys((url.drivername, *(_driver(kind, d) for d in DRIVERS.get(kind, ()))))
    for driver, query, password in product(drivers, (url.query, {}), (url.password, "-", None)):
        yield sa.URL.create(
            driver, url.username, password, url.host, url.port, url.database, query
        ).render_as_string()


def _driver(kind: str, driver: str) -> str:
    return f"{kind}+{driver}" if driver else kind
