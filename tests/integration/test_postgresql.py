"""The same schema, log and figures on a real PostgreSQL that is stopped and started again."""

import os
import pwd
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from leafgate.audit import AuditEntry, sign
from leafgate.audit_key import SigningKey
from sql import (
    RequestLog,
    Span,
    SqlAuditTrail,
    add_user,
    analytics,
    downgrade,
    find_user,
    list_users,
    load_revoked,
    migrate,
    open_database,
    revoke_token,
    revoke_tokens_of,
    set_disabled,
)
from sql.schema import metadata, requests
from tests.commands import free_port
from tests.requirements import postgresql_bin
from tests.unit.test_request_log import record


class Server:
    """A PostgreSQL of the test's own. It refuses to run as root, so root lends it a user."""

    def __init__(self, folder: Path) -> None:
        self.programs, self.folder, self.port = postgresql_bin(), folder, free_port()
        self.user = "postgres" if os.getuid() == 0 else None
        if self.user:
            found = pwd.getpwnam(self.user)
            os.chown(folder, found.pw_uid, found.pw_gid)
        self._run("initdb", "-A", "trust", "-U", "leafgate", "-D", str(folder / "data"))

    @property
    def url(self) -> str:
        return f"postgresql+psycopg://leafgate@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -k {self.folder} -F"
        log = str(self.folder / "log")
        self._run(
            "pg_ctl", "-D", str(self.folder / "data"), "-o", options, "-l", log, "-w", "start"
        )

    def stop(self) -> None:
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-m", "immediate", "-w", "stop")

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [self.programs / program, *arguments],
            user=self.user,
            cwd=self.folder,
            check=True,
            stdout=subprocess.DEVNULL,
        )


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    import tempfile

    with tempfile.TemporaryDirectory(prefix="leafgate-pg-") as folder:
        running = Server(Path(folder))
        running.start()
        yield running
        running.stop()


def test_migrations_go_up_and_down(server: Server) -> None:
    engine = open_database(server.url)
    migrate(engine)
    migrate(engine)
    assert set(metadata.tables) < set(sa.inspect(engine).get_table_names())
    downgrade(engine, "base")
    assert sa.inspect(engine).get_table_names() == ["alembic_version"]
    migrate(engine)
    engine.dispose()


def test_an_audit_record_is_kept_once_and_to_the_letter(server: Server) -> None:
    engine = open_database(server.url)
    migrate(engine)
    entry = AuditEntry(model="Blätter 🍂", action="staged", by="registration", reason="名 \0 \n")
    trail, record = SqlAuditTrail(engine), sign(entry, None, SigningKey(bytes(32)))
    assert [trail.append(record), trail.append(record)] == [True, False]
    assert trail.records(record.model) == (record,)
    engine.dispose()


def test_users_and_revoked_tokens_are_kept(server: Server) -> None:
    engine = open_database(server.url)
    migrate(engine)
    for name in ("ada", "eve"):
        add_user(engine, name, "hash", ["predict"], "plus")
    assert [(user.name, user.plan) for user in list_users(engine)] == [
        ("ada", "plus"),
        ("eve", "plus"),
    ]
    assert find_user(engine, "a\0da") is None
    set_disabled(engine, "eve", True)
    revoke_tokens_of(engine, "ada")
    for jti in ("one", "One", "one"):
        revoke_token(engine, jti, time.time() + 60, "名")
    revoked = load_revoked(engine)
    assert revoked.tokens == {"one", "One"}
    assert revoked.disabled == {"eve"}
    assert revoked.until == {"ada": pytest.approx(time.time(), abs=60)}
    engine.dispose()


def test_a_crash_of_the_server_loses_and_doubles_nothing(server: Server) -> None:
    engine = open_database(server.url)
    migrate(engine)
    log = RequestLog(engine)
    start = datetime.now(UTC) - timedelta(minutes=5)
    for number in range(300):
        log.record(record(number, at_utc=start, class_name="rust", confidence=0.5))
    assert log.flush()
    server.stop()
    for number in range(300, 600):
        log.record(record(number, at_utc=start))
    time.sleep(0.5)
    assert log.backlog == 300
    server.start()
    assert log.flush(timeout_seconds=30)
    assert log.close()
    with engine.connect() as connection:
        ids = list(connection.scalars(sa.select(requests.c.id)))
    assert sorted(ids) == [f"{number:036d}" for number in range(600)]

    span = Span(start - timedelta(minutes=1), start + timedelta(minutes=1), timedelta(minutes=1))
    assert analytics.summary(engine, span).requests == 600
    assert analytics.disease_frequency(engine, span)[0].count == 300
    assert sum(item.answered for item in analytics.volume(engine, span)) == 600
    assert analytics.latency(engine, span)[0].requests == 600
    assert len(analytics.recent_requests(engine, 7)) == 7
    engine.dispose()
