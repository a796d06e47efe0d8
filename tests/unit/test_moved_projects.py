"""A project may be moved, copied or mounted elsewhere: its artifacts are found in its state."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from leafgate.settings import Settings
from registry import ModelStore, ModelVersion, start_run, version_reader
from registry.artifact_places import folder_of, present_data, present_folder
from registry.store import DIGEST_TAG
from tests.commands import free_port, mlflow_server
from tests.models import write_stored_model
from training.unfinished import UnfinishedJob

MODEL = "leaf-classifier"


def settings_in(project: Path, **more: object) -> Settings:
    """Embedded defaults of a project's folder."""
    return Settings(_env_file=None, var_dir=project / "var", audit_key="a1" * 32, **more)  # type: ignore[call-arg, arg-type]


@pytest.fixture(scope="module")
def made(empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a version of a model; its run keeps one more file."""
    project = tmp_path_factory.mktemp("made") / "proj"
    shutil.copytree(empty_store, project / "var")
    settings = settings_in(project)
    with start_run(settings, "a training") as run:
        run.log_text("figures", "evaluation/test.txt")
        folder = project / "model"
        digest = write_stored_model(folder)
        run.log_folder(folder, "model")
    store = ModelStore(settings)
    store.client.create_registered_model(MODEL)
    source = f"{store.artifact_uri(run.run_id)}/model"
    store.client.create_model_version(MODEL, source, run.run_id, tags={DIGEST_TAG: digest})
    return project


@pytest.fixture(autouse=True)
def _original_is_away(made: Path) -> Iterator[None]:
    """The place that the store has noted is gone while a test runs."""
    away = made.with_name("away")
    made.rename(away)
    yield
    shutil.rmtree(made, ignore_errors=True)
    away.rename(made)


@pytest.fixture
def moved(made: Path, tmp_path: Path) -> Path:
    """The project at a new place, while the old one is gone."""
    return Path(shutil.copytree(made.with_name("away"), tmp_path / "proj2"))


def newest(settings: Settings) -> ModelVersion:
    return ModelStore(settings).versions(MODEL)[0]


def test_the_files_of_a_version_are_those_that_were_registered(moved: Path) -> None:
    settings = settings_in(moved)
    version = newest(settings)
    assert ModelStore(settings).stored_digest(version) == version.tags[DIGEST_TAG]
    assert (ModelStore(settings).folder(version) / "model.json").is_file()


def test_what_its_run_keeps_is_found_with_and_without_mlflow(moved: Path, tmp_path: Path) -> None:
    settings = settings_in(moved)
    version = newest(settings)
    reader = version_reader(settings)
    assert reader.files(version.run_id, "evaluation") == {"test.txt": 7}
    assert reader.artifact(version.run_id, "evaluation/test.txt", 100) == b"figures"
    store = ModelStore(settings)
    assert store.has_run_artifact(version, "evaluation/test.txt")
    assert store.run_artifact(version, "evaluation/test.txt", tmp_path).read_text() == "figures"


def test_a_new_run_writes_into_the_state_folder_of_today(moved: Path, made: Path) -> None:
    settings = settings_in(moved)
    with start_run(settings, "another") as run:
        run.log_text("new", "evaluation/new.txt")
    kept = moved / "var" / "mlflow" / "artifacts" / run.run_id / "artifacts"
    assert (kept / "evaluation" / "new.txt").read_text() == "new"
    assert not made.exists()
    assert version_reader(settings).artifact(run.run_id, "evaluation/new.txt", 9) == b"new"


def test_a_copy_beside_the_original_leaves_the_original_alone(moved: Path, made: Path) -> None:
    shutil.copytree(made.with_name("away"), made)
    before = sorted(made.rglob("*"))
    settings = settings_in(moved)
    with start_run(settings, "in the copy") as run:
        run.log_text("new", "new.txt")
    version = newest(settings)
    (folder,) = moved.glob(f"var/mlflow/artifacts/{version.run_id}/artifacts/evaluation")
    (folder / "test.txt").write_text("of the copy")
    reader = version_reader(settings)
    assert reader.artifact(version.run_id, "evaluation/test.txt", 99) == b"of the copy"
    assert sorted(made.rglob("*")) == before


def test_a_project_moved_twice_keeps_what_was_made_between(moved: Path, tmp_path: Path) -> None:
    with start_run(settings_in(moved), "between") as run:
        run.log_text("between", "a.txt")
    third = Path(shutil.move(moved, tmp_path / "C# work 3?"))
    settings = settings_in(third)
    assert version_reader(settings).artifact(run.run_id, "a.txt", 99) == b"between"
    version = newest(settings)
    assert ModelStore(settings).stored_digest(version) == version.tags[DIGEST_TAG]


def test_a_state_folder_behind_a_link_is_the_same(moved: Path, tmp_path: Path) -> None:
    disk = Path(shutil.move(moved / "var", tmp_path / "disk"))
    (moved / "var").symlink_to(disk)
    (disk / "mlflow" / "artifacts").rename(tmp_path / "large")
    (disk / "mlflow" / "artifacts").symlink_to(tmp_path / "large")
    settings = settings_in(moved)
    version = newest(settings)
    assert ModelStore(settings).stored_digest(version) == version.tags[DIGEST_TAG]
    assert version_reader(settings).files(version.run_id, "evaluation") == {"test.txt": 7}


def test_the_server_of_mlflow_finds_them_too(moved: Path, tmp_path: Path) -> None:
    version = newest(settings_in(moved))
    with mlflow_server(moved / "var", free_port(), tmp_path / "log") as url:
        reader = version_reader(settings_in(tmp_path / "elsewhere", mlflow_tracking_uri=url))
        assert reader.artifact(version.run_id, "evaluation/test.txt", 99) == b"figures"


def test_changed_files_are_noticed_after_a_move_too(moved: Path) -> None:
    settings = settings_in(moved)
    version = newest(settings)
    (file,) = moved.glob("var/mlflow/artifacts/*/artifacts/model/MLmodel")
    file.write_text("flavors: {mine: {}}\n")
    assert ModelStore(settings).stored_digest(version) != version.tags[DIGEST_TAG]


def test_a_folder_that_a_person_chose_for_artifacts_stays_the_one(tmp_path: Path) -> None:
    chosen = tmp_path / "disk" / "mlflow" / "artifacts"
    chosen.mkdir(parents=True)
    settings = settings_in(tmp_path / "proj")
    assert present_folder(settings, chosen / "run" / "artifacts") == chosen / "run" / "artifacts"


def test_a_store_that_another_state_folder_uses_keeps_its_artifacts(tmp_path: Path) -> None:
    other = tmp_path / "other" / "var" / "mlflow"
    (other / "artifacts").mkdir(parents=True)
    (other / "mlflow.db").touch()
    settings = settings_in(tmp_path / "proj", mlflow_tracking_uri=f"sqlite:///{other}/mlflow.db")
    place = other / "artifacts" / "new-run" / "artifacts"
    assert present_folder(settings, place) == place


@pytest.mark.parametrize("uri", ["http://127.0.0.1:5000", "postgresql+psycopg://h/mlflow"])
def test_places_that_a_server_noted_are_taken_as_they_are(tmp_path: Path, uri: str) -> None:
    settings = settings_in(tmp_path, mlflow_tracking_uri=uri)
    place = Path("/old/var/mlflow/artifacts/run/artifacts")
    assert present_folder(settings, place) == place


def test_a_noted_place_leads_to_nothing_else_in_the_state_folder(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    (settings.var_dir / "mlflow" / "artifacts").mkdir(parents=True)
    (settings.var_dir / "audit.key").touch()
    for path in ("/x/mlflow/artifacts/../../audit.key", "/x/mlflow/artifacts/a/../../../audit.key"):
        assert present_folder(settings, Path(path)) == Path(path)


def test_a_place_that_cannot_be_looked_into_counts_as_gone(tmp_path: Path) -> None:
    refused = Path("/", "x" * 300)  # by the system, as another user's folder is
    settings = settings_in(tmp_path / "proj")
    noted = refused / "var" / "mlflow" / "artifacts" / "run"
    assert present_folder(settings, noted) == settings.var_dir / "mlflow" / "artifacts" / "run"


def test_images_in_the_project_are_found_where_it_is_now(tmp_path: Path) -> None:
    old, new = tmp_path / "proj", tmp_path / "proj2"
    for folder in ("photos", "var/demo/leaves", "var/mlflow/artifacts/run"):
        (new / folder).mkdir(parents=True)
    noted = old / "var" / "mlflow" / "artifacts" / "run"
    for folder in ("photos", "var/demo/leaves"):
        assert present_data(settings_in(new), noted, old / folder) == new / folder
    elsewhere = tmp_path / "elsewhere"
    assert present_data(settings_in(new), noted, elsewhere) == elsewhere


def test_an_artifact_uri_with_special_characters_means_the_folder_it_was_made_of() -> None:
    folder = Path("/home/ä/C# work/what? 100%2F")
    assert folder_of(folder.as_uri()) == folder
    assert folder_of("s3://bucket/key") is None


def test_an_unfinished_training_goes_on_after_a_move(tmp_path: Path) -> None:
    def job(project: str) -> UnfinishedJob:
        return UnfinishedJob.of(settings_in(tmp_path / project), "classifier", {"seed": 1}, "data")

    job("proj").begin("a-run")
    (tmp_path / "proj").rename(tmp_path / "proj2")
    assert job("proj2").run_id == "a-run"


def test_an_unfinished_training_of_an_older_version_goes_on(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    UnfinishedJob.of(settings, "classifier", {"seed": 1}, "data").begin("a-run")
    usual = {"seed": 1, "conflicts": "exclude", "resplit": False}
    assert UnfinishedJob.of(settings, "classifier", usual, "data").run_id == "a-run"
    for other in ({**usual, "conflicts": "error"}, {**usual, "resplit": True}):
        assert UnfinishedJob.of(settings, "classifier", other, "data").run_id is None
