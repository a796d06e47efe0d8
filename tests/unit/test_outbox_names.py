"""An outbox belongs to a host's database: whoever signs in there, and however."""

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from leafgate.cli_db import db_app
from leafgate.errors import UserError
from leafgate.settings import Settings
from sql import (
    RequestLog,
    adopt_outboxes,
    folder_of,
    former_folders,
    migrate,
    open_database,
    retry_set_aside,
)
from sql.outbox_folder import take_outbox, waiting_in
from tests.folder_names import ALL_IN_ONE
from tests.running_log import entry, ids, stored_ids

POSTGRESQL = "postgresql+psycopg://ada:one@db.example/log"
SQL_SERVER = "mssql+pyodbc://ada:one@db.example/log?driver=ODBC+Driver+18+for+SQL+Server"


def former_name(url: str) -> str:
    """What older versions named a database's folder."""
    place = sa.make_url(url).set(password=None).render_as_string()
    return hashlib.sha256(place.encode()).hexdigest()[:12]


@pytest.mark.parametrize(
    ("url", "same"),
    [
        (POSTGRESQL, "postgresql+psycopg://ada:two@db.example/log"),
        (POSTGRESQL, "postgresql+psycopg://eve@db.example/log"),
        (POSTGRESQL, "postgresql+psycopg2://ada:one@DB.example:5432/log?sslmode=require"),
        (POSTGRESQL, "postgresql://ada:one@/log?host=db.example&port=5432&password=x"),
        (SQL_SERVER, "mssql+pyodbc://eve:two@db.example:1433/log?driver=FreeTDS&TDS_Version=7.4"),
        (SQL_SERVER, "mssql+pymssql://eve:two@db.example/log"),
        (
            SQL_SERVER,
            "mssql+pyodbc:///?odbc_connect=DRIVER%3D%7BFreeTDS%7D%3BSERVER%3Dtcp%3Adb.example%2C1433"
            "%3BDATABASE%3Dlog%3BUID%3Dada%3BPWD%3Dthree",
        ),
    ],
)
def test_user_password_driver_and_options_do_not_change_it(
    tmp_path: Path, url: str, same: str
) -> None:
    assert folder_of(tmp_path, url) == folder_of(tmp_path, same)


@pytest.mark.parametrize(
    "other",
    [
        "postgresql+psycopg://ada:one@db.example/other",
        "postgresql+psycopg://ada:one@other.example/log",
        "postgresql+psycopg://ada:one@db.example:5433/log",
        "postgresql+psycopg:///log?host=other.example",
        SQL_SERVER,
        "sqlite:///log",
    ],
)
def test_another_host_or_database_has_another_one(tmp_path: Path, other: str) -> None:
    assert folder_of(tmp_path, POSTGRESQL) != folder_of(tmp_path, other)


def test_a_database_in_the_state_folder_keeps_it_when_both_are_moved(tmp_path: Path) -> None:
    before, after = (Settings(_env_file=None, var_dir=tmp_path / p / "var") for p in "ab")  # type: ignore[call-arg]
    names = [folder_of(each.var_dir, each.database).name for each in (before, after)]
    assert names[0] == names[1]


def test_a_relative_an_absolute_and_a_linked_path_name_one_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "link").symlink_to("state")
    monkeypatch.chdir(tmp_path)
    var = tmp_path / "state"
    urls = ("sqlite:///state/log.db", f"sqlite:///{var}/log.db", "sqlite:///link/log.db")
    assert len({folder_of(var, url) for url in urls}) == 1


def test_no_password_is_part_of_a_name() -> None:
    url = "mssql+pyodbc:///?odbc_connect=SERVER%3Dh%3BDATABASE%3Dd%3BUID%3Du%3BPWD%3D"
    assert folder_of(Path(), f"{url}one") == folder_of(Path(), f"{url}two")


@pytest.mark.parametrize(
    "url",
    [
        POSTGRESQL,
        SQL_SERVER,
        "postgresql+psycopg://ada@db.example/log",
        "postgresql+psycopg2://ada:one@db.example/log",
        "mssql+pyodbc:///?odbc_connect=SERVER%3Dh%3BDATABASE%3Dd%3BUID%3Du%3BPWD%3Dp",
    ],
)
def test_the_names_of_older_versions_are_known(tmp_path: Path, url: str) -> None:
    older = tmp_path / "outbox" / former_name(url)
    older.mkdir(parents=True)
    assert former_folders(tmp_path, url) == (older,)


@pytest.mark.parametrize(
    ("before", "now"),
    [
        (POSTGRESQL, "postgresql+psycopg://ada:two@db.example/log"),
        (POSTGRESQL, "postgresql+psycopg://ada@db.example/log"),
        (POSTGRESQL, "postgresql://ada:one@db.example/log?sslmode=require"),
        (SQL_SERVER.partition("?")[0], SQL_SERVER),
    ],
)
def test_they_are_known_after_a_password_or_a_driver_was_changed_too(
    tmp_path: Path, before: str, now: str
) -> None:
    older = tmp_path / "outbox" / former_name(before)
    older.mkdir(parents=True)
    assert former_folders(tmp_path, now) == (older,)


@pytest.fixture(params=["project", ALL_IN_ONE])
def embedded(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Settings]:
    """Settings of embedded defaults, whose database is there."""
    settings = Settings(_env_file=None, var_dir=tmp_path / request.param / "var")  # type: ignore[call-arg]
    database = open_database(settings.database)
    migrate(database)
    database.dispose()
    yield settings


def leave_entries(folder: Path, *numbers: int) -> None:
    """As a process does that was killed."""
    held = take_outbox(folder)
    for number in numbers:
        held.outbox.append(entry(number).as_json()).result(5)
    held.let_go()


def test_what_waits_under_an_older_name_is_counted_and_delivered(embedded: Settings) -> None:
    older = embedded.var_dir / "outbox" / former_name(f"sqlite:///{embedded.var_dir}/leafgate.db")
    leave_entries(older, 1, 2)
    place = embedded.var_dir, embedded.database
    folder, former = folder_of(*place), former_folders(*place)
    assert former == (older,)
    assert waiting_in(folder, *former).entries == 2
    database = open_database(embedded.database)
    with closing(RequestLog(database, folder, former=former)) as log:
        log._mover._do_chores()
        assert log.waiting_on_this_host().entries == 0
        assert stored_ids(database) == ids(range(1, 3))
    database.dispose()


def test_the_command_calls_them_the_configured_database(
    embedded: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    older = embedded.var_dir / "outbox" / former_name(f"sqlite:///{embedded.var_dir}/leafgate.db")
    leave_entries(older, 1)
    monkeypatch.setenv("LEAFGATE_VAR_DIR", str(embedded.var_dir))
    shown = CliRunner().invoke(db_app, ["outbox"], catch_exceptions=False).output
    assert f"{older} (the configured database): 1 wait" in shown


def test_a_person_gives_a_stranded_folder_to_the_configured_database(
    embedded: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    stranded = embedded.var_dir / "outbox" / "0123456789ab"
    leave_entries(stranded, 1)
    own = folder_of(embedded.var_dir, embedded.database)
    leave_entries(own, 2)
    monkeypatch.setenv("LEAFGATE_VAR_DIR", str(embedded.var_dir))
    before = CliRunner().invoke(db_app, ["outbox"], catch_exceptions=False).output
    assert f"{stranded} (another database): 1 wait" in before
    command = ["outbox", "--adopt", str(stranded)]
    assert "adopted: 1" in CliRunner().invoke(db_app, command, catch_exceptions=False).output
    assert waiting_in(own).entries == 2
    assert waiting_in(stranded).entries == 0


def test_a_folder_that_a_service_uses_is_not_adopted(embedded: Settings) -> None:
    busy = embedded.var_dir / "outbox" / "0123456789ab"
    held = take_outbox(busy)
    with pytest.raises(UserError, match="belongs to a service that runs"):
        adopt_outboxes(busy, folder_of(embedded.var_dir, embedded.database))
    held.let_go()


def test_a_moved_project_delivers_what_waited(tmp_path: Path) -> None:
    before = Settings(_env_file=None, var_dir=tmp_path / "proj" / "var")  # type: ignore[call-arg]
    leave_entries(folder_of(before.var_dir, before.database), 1)
    shutil.move(tmp_path / "proj", tmp_path / "proj2")
    after = Settings(_env_file=None, var_dir=tmp_path / "proj2" / "var")  # type: ignore[call-arg]
    assert waiting_in(folder_of(after.var_dir, after.database)).entries == 1
    assert retry_set_aside(folder_of(after.var_dir, after.database)) == 0
