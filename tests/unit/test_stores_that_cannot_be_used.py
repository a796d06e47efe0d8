"""MLflow's SQLite file locked, of another version, damaged or read-only: what to do about it."""

import logging
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from leafgate.errors import UserError
from leafgate.settings import Settings
from registry import ModelStore, alias_reader, start_run, version_reader
from registry import store_file as checking
from registry.store_file import unreachable
from tests.commands import environment, leafgate

MODEL = "leaf-classifier"
REVISION = "UPDATE alembic_version SET version_num = '{}'"
OLDER = "bf29a5ff90ea"  # of MLflow 3.1


@pytest.fixture
def stored(settings: Settings, empty_store: Path) -> Settings:
    """An embedded store of the test's own."""
    shutil.copytree(empty_store, settings.var_dir)
    return settings


def file_of(settings: Settings) -> Path:
    return settings.var_dir / "mlflow" / "mlflow.db"


def change(settings: Settings, *statements: str) -> None:
    with closing(sqlite3.connect(file_of(settings))) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def damage(settings: Settings) -> None:
    data = file_of(settings).read_bytes()
    file_of(settings).write_bytes(data[:4096] + b"\7" * (len(data) - 4096))


def be_a_folder(settings: Settings) -> None:
    file_of(settings).unlink()
    file_of(settings).mkdir()


STATES: dict[str, tuple[Callable[[Settings], None], str, str]] = {
    "older": (
        lambda s: change(s, REVISION.format(OLDER)),
        "older version of MLflow",
        "-m mlflow db upgrade sqlite:///",
    ),
    "older, with fewer tables": (
        lambda s: change(s, REVISION.format(OLDER), "DROP TABLE logged_model_tags"),
        "older version of MLflow",
        "copy the file",
    ),
    "newer": (
        lambda s: change(s, REVISION.format("ffffffffffff")),
        "made by a newer version",
        "pip install --upgrade mlflow",
    ),
    "no database": (
        lambda s: void(file_of(s).write_bytes(b"no database" * 1000)),
        "is damaged",
        "from a backup",
    ),
    "damaged": (damage, "is damaged", "from a backup"),
    "another database": (
        lambda s: change(s, "DROP TABLE alembic_version"),
        "has no tables of MLflow",
        "from a backup",
    ),
    "a folder": (be_a_folder, "cannot be opened (it is no file)", "give this user the right"),
}


def void(_: object) -> None:
    """For a lambda that returns nothing."""


@pytest.mark.parametrize("state", STATES)
def test_what_is_wrong_and_what_to_do_are_said_at_once(
    stored: Settings, state: str, caplog: pytest.LogCaptureFixture
) -> None:
    spoil, problem, fix = STATES[state]
    spoil(stored)
    for ask in (
        lambda: ModelStore(stored).versions(MODEL),
        lambda: ModelStore(stored).require_reachable(),
        lambda: start_run(stored, "a job").__enter__(),
    ):
        with pytest.raises(UserError) as refused:
            ask()
        assert problem in refused.value.problem
        assert str(file_of(stored)) in refused.value.problem
        assert fix in refused.value.fix
        assert "\n" not in str(refused.value)
    assert not caplog.records


@contextmanager
def locked(settings: Settings) -> Iterator[None]:
    with closing(sqlite3.connect(file_of(settings), isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        yield


def test_a_locked_store_is_told_by_mlflow_and_by_the_readers_without_it(
    stored: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checking, "WAIT_SECONDS", 0.05)
    monkeypatch.setattr("registry.sqlite_file.WAIT_SECONDS", 0.05)
    with locked(stored):
        for ask in (
            lambda: ModelStore(stored).versions(MODEL),
            lambda: alias_reader(stored).find(MODEL, "production"),
            lambda: version_reader(stored).versions(MODEL, 5),
        ):
            with pytest.raises(UserError, match="is locked by another process") as refused:
                ask()
            assert "wait until that is done" in refused.value.fix
    assert ModelStore(stored).versions(MODEL) == ()


def test_a_store_that_is_not_there_yet_is_made(settings: Settings) -> None:
    assert alias_reader(settings).find(MODEL, "production") is None
    assert ModelStore(settings).versions(MODEL) == ()
    assert file_of(settings).is_file()


def test_an_empty_file_is_a_store_that_was_not_made_yet(stored: Settings) -> None:
    file_of(stored).write_bytes(b"")
    assert ModelStore(stored).versions(MODEL) == ()


def test_a_store_that_cannot_be_written_to_is_named_with_its_folder(stored: Settings) -> None:
    error = sqlite3.OperationalError("attempt to write a readonly database")
    refused = unreachable(stored, error)
    assert "cannot be written to" in refused.problem
    assert str(file_of(stored)) in refused.fix


def test_a_server_that_does_not_answer_is_not_taken_for_a_file(tmp_path: Path) -> None:
    settings = Settings(_env_file=None, var_dir=tmp_path, mlflow_tracking_uri="http://u:p@h:1")  # type: ignore[call-arg]
    refused = unreachable(settings, OSError("database is locked"))
    assert refused.problem == "MLflow at http://h:1 answered: database is locked"


def test_a_deleted_experiment_is_restored_with_its_runs_and_said_so(
    stored: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    with start_run(stored, "before") as run:
        run.log_metrics({"loss": 1.0})
    client = ModelStore(stored).client
    experiment = client.get_experiment_by_name("leafgate")
    client.delete_experiment(experiment.experiment_id)
    with start_run(stored, "after") as another:
        another.log_metrics({"loss": 0.5})
    assert "was deleted in MLflow: it is restored, with its runs" in capsys.readouterr().err
    assert client.get_experiment_by_name("leafgate").lifecycle_stage == "active"
    for run_id in (run.run_id, another.run_id):
        assert client.get_run(run_id).info.lifecycle_stage == "active"
    assert client.get_run(another.run_id).info.experiment_id == experiment.experiment_id


def test_an_experiment_that_is_gone_for_good_is_made_again(stored: Settings) -> None:
    with start_run(stored, "before"):
        pass
    change(stored, "DELETE FROM tags", "DELETE FROM runs", "DELETE FROM experiments")
    with start_run(stored, "after") as run:
        run.log_text("new", "a.txt")
    assert version_reader(stored).artifact(run.run_id, "a.txt", 9) == b"new"


def test_a_job_goes_on_in_a_run_that_was_deleted(stored: Settings) -> None:
    with start_run(stored, "a job") as run:
        pass
    ModelStore(stored).client.delete_run(run.run_id)
    with start_run(stored, "a job", run.run_id) as again:
        again.log_metrics({"loss": 1.0})
    assert again.run_id == run.run_id


def test_a_job_whose_run_is_gone_begins_anew(
    stored: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    with start_run(stored, "a job", "0" * 32) as run:
        run.log_metrics({"loss": 1.0})
    assert run.run_id != "0" * 32
    assert "is gone from MLflow: the job begins anew" in capsys.readouterr().err


def test_a_run_whose_job_fails_is_marked_failed(stored: Settings) -> None:
    with pytest.raises(ZeroDivisionError), start_run(stored, "a job") as run:
        _ = 1 / 0
    assert ModelStore(stored).client.get_run(run.run_id).info.status == "FAILED"
    with start_run(stored, "another"):  # none is left open
        pass


def test_a_command_ends_in_two_lines(stored: Settings) -> None:
    change(stored, REVISION.format(OLDER))
    done = leafgate("models", "list", env=environment(stored.var_dir))
    assert done.returncode == 2
    assert "older version of MLflow" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 2


def test_mlflow_prints_no_stack_of_its_own(stored: Settings) -> None:
    ModelStore(stored).versions(MODEL)
    assert logging.getLogger("mlflow.store.db.utils").level == logging.CRITICAL


def test_a_run_that_is_gone_is_not_blamed_on_the_store(stored: Settings) -> None:
    with pytest.raises(UserError, match="has it no more") as refused:
        ModelStore(stored).artifact_uri("0" * 32)
    assert "train again" in refused.value.fix
