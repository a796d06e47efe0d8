"""A PostgreSQL of the tests' own, and what befalls one: stopped, restarted, cut off, read-only."""

import os
import pwd
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import psycopg
from psycopg import sql

from tests.commands import free_port
from tests.requirements import postgresql_bin

StopMode = Literal["smart", "fast", "immediate"]  # immediate: as a crash, recovered at the start


class Server:
    """A server in a folder. PostgreSQL refuses to run as root, so root lends it a user."""

    def __init__(self, folder: Path) -> None:
        self.programs, self.folder, self.port = postgresql_bin(), folder, free_port()
        self.user = "postgres" if os.getuid() == 0 else None
        if self.user:
            found = pwd.getpwnam(self.user)
            os.chown(folder, found.pw_uid, found.pw_gid)
        self._run(
            *("initdb", "--auth=trust", "--username=leafgate", "--encoding=UTF8", "--locale=C"),
            *("--no-sync", "-D", str(self.folder / "data")),
        )

    @property
    def url(self) -> str:
        """Of the database that every server has."""
        return self.url_of("postgres")

    def url_of(self, database: str) -> str:
        """As LEAFGATE_DATABASE_URL takes it."""
        return f"postgresql+psycopg://leafgate@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Returns when it takes connections."""
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -k {self.folder} -F"
        self._control("start", "-o", options, "-l", str(self.folder / "log"))

    def stop(self, mode: StopMode = "immediate") -> None:
        """Returns when it is gone."""
        self._control("stop", "-m", mode)

    def restart(self, mode: StopMode = "fast") -> None:
        """Returns when it takes connections again."""
        self.stop(mode)
        self.start()

    def set_read_only(self, read_only: bool) -> None:
        """Whether it refuses to write, as a standby does; for connections that are open, too."""
        value = sql.Literal("on" if read_only else "off")
        self.execute(
            sql.SQL("ALTER SYSTEM SET default_transaction_read_only = {}").format(value),
            sql.SQL("SELECT pg_reload_conf()"),
        )

    def terminate_connections(self) -> int:
        """Cut every connection but this one. Returns their number."""
        rows = self.execute(
            sql.SQL(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
            )
        )
        return len(rows)

    def create_database(self, name: str, template: str = "template1") -> str:
        """Returns its URL. template: what it is a copy of, which nobody may be connected to."""
        names = sql.Identifier(name), sql.Identifier(template)
        self.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy").format(*names)
            if self._copies_files
            else sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(*names)
        )
        return self.url_of(name)

    @property
    def _copies_files(self) -> bool:
        return int(Path(self.folder, "data", "PG_VERSION").read_text()) >= 15

    def drop_database(self, name: str) -> None:
        """Also where somebody is connected to it."""
        self.execute(
            sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
        )

    def execute(self, *statements: sql.SQL | sql.Composed) -> list[tuple[Any, ...]]:
        """Run each by itself as the server's owner. Returns the rows of the last."""
        address = f"host=127.0.0.1 port={self.port} user=leafgate dbname=postgres"
        options = "-c default_transaction_read_only=off"
        with psycopg.connect(address, options=options, autocommit=True) as connection:
            for statement in statements:
                cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def _control(self, what: str, *arguments: str) -> None:
        self._run("pg_ctl", "-D", str(self.folder / "data"), *arguments, "-w", what)

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [self.programs / program, *arguments],
            user=self.user,
            cwd=self.folder,
            check=True,
            stdout=subprocess.DEVNULL,
        )


# Waits for the end of its input: of the tests, however they end, also while the server starts.
WHEN_THEY_END = """
read -r _
for _ in 1 2 3 4 5; do "$1/pg_ctl" -D "$2/data" -m immediate stop && break; sleep 1; done
rm -rf "$2"
"""


@contextmanager
def postgresql() -> Iterator[Server]:
    """A running server, gone after the block, or when the tests are killed."""
    with tempfile.TemporaryDirectory(prefix="leafgate-pg-", ignore_cleanup_errors=True) as folder:
        server = Server(Path(folder))
        words = ["sh", "-c", WHEN_THEY_END, "sh", str(server.programs), folder]
        quiet = subprocess.DEVNULL
        with subprocess.Popen(
            words,
            stdin=subprocess.PIPE,
            stdout=quiet,
            stderr=quiet,
            user=server.user,
            cwd="/",
            start_new_session=True,
        ):
            server.start()
            yield server
