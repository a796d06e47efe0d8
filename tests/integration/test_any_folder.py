"""The service in a project folder of any name, moved there from elsewhere."""

import shutil
from pathlib import Path

import httpx

from registry import PRODUCTION, LocalCopies, ModelStore
from sql import find_prediction, open_database
from tests.commands import environment, leafgate
from tests.folder_names import ALL_IN_ONE
from tests.integration.conftest import StartApi, api_settings


def test_a_moved_project_serves_and_logs_under_any_name(
    served_var: Path, tmp_path: Path, start_api: StartApi, colour_folder: Path
) -> None:
    project = tmp_path / "C# work" / ALL_IN_ONE
    shutil.copytree(served_var, project / "var", ignore=shutil.ignore_patterns("models"))
    settings = api_settings(project / "var", project, database_url="")
    api = start_api(settings)
    image = next(colour_folder.glob("*/*.png")).read_bytes()
    answer = api.client.post("/predict", files={"file": ("a.png", image)})
    assert answer.status_code == httpx.codes.OK
    assert api.app.state.leafgate.log.flush(30)
    database = open_database(settings.database)
    found = find_prediction(database, answer.json()["request_id"])
    database.dispose()
    assert found is not None
    assert found.class_name == answer.json()["class"]
    shown = leafgate("db", "outbox", env=environment(settings.var_dir), cwd=project)
    assert "(the configured database): 0 wait" in shown.stdout
    assert (settings.var_dir / "leafgate.db").is_file()
    assert list(tmp_path.rglob("leafgate.db")) == [settings.var_dir / "leafgate.db"]
    assert [each.name for each in tmp_path.iterdir()] == ["C# work"]


def test_a_child_process_fetches_the_files_there(served_var: Path, tmp_path: Path) -> None:
    var = tmp_path / ALL_IN_ONE / "var"
    shutil.copytree(served_var, var, ignore=shutil.ignore_patterns("models"))
    settings = api_settings(var, tmp_path)
    version = ModelStore(settings).find(settings.classifier_name, PRODUCTION)
    assert version is not None
    assert LocalCopies(settings).folder(version).is_relative_to(var)
