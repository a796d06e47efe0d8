"""A folder may have any name: what it is for is found in it, and nothing lies elsewhere."""

from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from leafgate.cli_db import db_app
from leafgate.settings import Settings
from leafgate.sqlite_url import readable, sqlite_file, sqlite_url
from registry import alias_reader
from registry.connection import mlflow_uri
from sql import LogSettings, RequestLog, folder_of, migrate, open_database
from sql.outbox_folder import take_outbox, waiting_in
from sql.set_aside import list_set_aside, outboxes, retry_set_aside
from tests.folder_names import ALL_IN_ONE, HOSTILE
from tests.running_log import entry, ids, stored_ids


@pytest.fixture(params=["C# work", "mode?mode=ro&uri=true", ALL_IN_ONE])
def hostile(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """State in a folder of such a name."""
    folder = tmp_path / request.param
    folder.mkdir()
    return Settings(_env_file=None, var_dir=folder / "var")  # type: ignore[call-arg]


def test_the_database_lies_in_the_state_folder(hostile: Settings, tmp_path: Path) -> None:
    database = open_database(hostile.database)
    migrate(database)
    database.dispose()
    assert (hostile.var_dir / "leafgate.db").is_file()
    assert [each.name for each in tmp_path.iterdir()] == [hostile.var_dir.parent.name]


def test_a_connection_that_is_opened_later_finds_the_same_file(hostile: Settings) -> None:
    database = open_database(hostile.database)
    migrate(database)
    database.dispose()
    with database.connect() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM requests")) == 0
    database.dispose()


@pytest.mark.parametrize("name", HOSTILE)
def test_urls_are_those_that_sqlalchemy_writes_and_reads(name: str) -> None:
    settings = Settings(_env_file=None, var_dir=Path("/srv") / name)  # type: ignore[call-arg]
    file = settings.var_dir / "leafgate.db"
    assert settings.database == sa.URL.create("sqlite", database=str(file)).render_as_string()
    assert sa.make_url(settings.database).database == str(file)
    assert sqlite_file(settings.database) == file


def test_mlflow_is_sent_to_the_same_file_by_a_url_of_which_it_makes_no_folder(
    hostile: Settings,
) -> None:
    url = mlflow_uri(hostile)
    file = hostile.var_dir / "mlflow" / "mlflow.db"
    assert sa.make_url(url).database == str(file)
    assert "%" not in url or not url.startswith("sqlite:///")
    assert alias_reader(hostile).find("leaf-classifier", "production") is None


@pytest.mark.parametrize("name", ["C# work", "what?", "100%2F", ALL_IN_ONE])
def test_a_path_that_a_person_wrote_as_it_is_names_the_file(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    database = open_database(f"sqlite:///{folder / 'log.db'}")
    migrate(database)
    database.dispose()
    assert (folder / "log.db").is_file()
    assert list(tmp_path.iterdir()) == [folder]


def test_options_of_the_driver_stay_options(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'log.db'}?timeout=3&cached_statements=7"
    assert readable(url) == url
    assert sqlite_file(url) == tmp_path / "log.db"


@pytest.mark.parametrize(
    "url", ["sqlite://", "sqlite:///:memory:", "sqlite:///file:x?mode=memory&uri=true"]
)
def test_a_database_in_memory_is_no_file(url: str) -> None:
    assert sqlite_file(url) is None
    assert readable(url) == url


def test_a_relative_path_stays_relative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "C# work" / "what?"
    place.mkdir(parents=True)
    monkeypatch.chdir(place)
    url = sqlite_url(Path("var 100%2F/leafgate.db"))
    database = open_database(url)
    migrate(database)
    database.dispose()
    assert (place / "var 100%2F" / "leafgate.db").is_file()


def test_the_backlog_of_the_outbox_is_counted(hostile: Settings) -> None:
    held = take_outbox(folder_of(hostile.var_dir, hostile.database))
    held.outbox.append("{}").result(5)
    assert waiting_in(held.lock.folder).entries == 1
    assert [backlog.entries for backlog in outboxes(hostile.var_dir).values()] == [1]
    held.let_go()


def test_what_a_dead_process_left_is_delivered(hostile: Settings) -> None:
    folder = folder_of(hostile.var_dir, hostile.database)
    alive, dead = take_outbox(folder), take_outbox(folder)
    dead.outbox.append(entry(1).as_json()).result(5)
    for each in (dead, alive):
        each.let_go()
    with closing(_Log(hostile, folder)) as log:
        log.moves_what_the_dead_left()
        assert stored_ids(log.engine) == ids(range(1, 2))


def test_the_command_shows_and_retries_what_was_set_aside(
    hostile: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEAFGATE_VAR_DIR", str(hostile.var_dir))
    monkeypatch.chdir(hostile.var_dir.parent)
    held = take_outbox(folder_of(hostile.var_dir, hostile.database))
    held.outbox.append(entry(1).as_json()).result(5)
    held.outbox.set_aside(held.outbox.first(1)[0], "no room")
    held.let_go()
    shown = CliRunner().invoke(db_app, ["outbox"], catch_exceptions=False).output
    assert "the configured database" in shown
    assert "1 set aside" in shown
    assert "no room" in shown
    again = CliRunner().invoke(db_app, ["outbox", "--retry"], catch_exceptions=False).output
    assert "put back: 1" in again
    assert not list_set_aside(held.lock.folder)
    assert retry_set_aside(held.lock.folder) == 0


class _Log:
    """A request log of these settings."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.engine = open_database(settings.database)
        migrate(self.engine)
        self.log = RequestLog(self.engine, folder, LogSettings())

    def moves_what_the_dead_left(self) -> None:
        self.log._mover._do_chores()
        assert self.log.flush(10)

    def close(self) -> None:
        self.log.close()
        self.engine.dispose()
