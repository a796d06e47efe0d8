"""Data sets of Kaggle as people name them, and the folder in them that is trained on."""

from pathlib import Path

import pytest

from leafgate.errors import UserError
from tests.commands import environment, leafgate
from training.data.kaggle_source import class_folder, dataset_name, default_folder


@pytest.mark.parametrize(
    "text",
    [
        "emmarex/plantdisease",
        " emmarex/plantdisease ",
        "emmarex/plantdisease/",
        "https://www.kaggle.com/datasets/emmarex/plantdisease",
        "https://www.kaggle.com/datasets/emmarex/plantdisease?select=PlantVillage#x",
        "http://kaggle.com/datasets/emmarex/plantdisease/data",
        "www.kaggle.com/datasets/emmarex/plantdisease/code",
        "kaggle.com/emmarex/plantdisease",
        "kaggle datasets download -d emmarex/plantdisease",
        "kaggle datasets download emmarex/plantdisease",
        "curl -L https://www.kaggle.com/api/v1/datasets/download/emmarex/plantdisease",
        "'emmarex/plantdisease'",
        "!kaggle datasets download -p data/x -d emmarex/plantdisease --unzip",
        "kaggle datasets download emmarex/plantdisease -p data/x",
        'path = kagglehub.dataset_download("emmarex/plantdisease")',
        "curl -L -o ~/Downloads/x.zip https://www.kaggle.com/api/v1/datasets/download/"
        "emmarex/plantdisease",
    ],
)
def test_a_data_set_is_named_as_it_is_copied_from_kaggle(text: str) -> None:
    assert dataset_name(text) == "emmarex/plantdisease"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("https://www.kaggle.com/datasets/a/b/versions/3", "a/b/3"),
        ("a/b/versions/3", "a/b/3"),
        ("a/b/3", "a/b/3"),
    ],
)
def test_a_version_of_a_data_set_can_be_named(text: str, name: str) -> None:
    assert dataset_name(text) == name
    assert default_folder(text) == Path("data/b")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "plantdisease",
        "a/b/c",
        "a/../b",
        "../x",
        "https://evil.example/datasets/a/b",
        "https://www.kaggle.com.evil.example/datasets/a/b",
        "https://www.kaggle.com/competitions/plant-pathology-2020-fgvc7",
        "https://www.kaggle.com/c/plant-pathology-2020-fgvc7/data",
        "https://www.kaggle.com/datasets",
        "a b/c d/e",
        "/etc/passwd",
        "./data/leaves",
        "kaggle datasets list",
    ],
)
def test_what_names_no_data_set_is_refused(text: str) -> None:
    with pytest.raises(UserError) as raised:
        dataset_name(text)
    assert raised.value.code == "bad_dataset"


@pytest.mark.parametrize(
    ("names", "folder"),
    [
        (["rust/1.png"], "."),
        (["set/rust/1.png", "set/healthy/1.png"], "set"),
        (["set/train/rust/1.png", "set/test/rust/1.png"], "set"),
        (["set/color/rust/1.png", "set/segmented/rust/1.png"], "set/color"),
        (["set/set/rust/1.png", "set/rust/1.png"], "set"),
        (["1.png", "2.png"], "."),
        (["set/rust/1.png", "__MACOSX/set/rust/._1.png", ".cache/x/1.png"], "set"),
    ],
)
def test_the_folder_of_class_folders_is_found(
    names: list[str], folder: str, tmp_path: Path
) -> None:
    for name in names:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("pixels")
    assert class_folder(tmp_path) == tmp_path / folder


def test_the_command_takes_any_data_set_and_says_what_to_do(tmp_path: Path) -> None:
    env = environment(tmp_path / "var") | {"HOME": str(tmp_path), "KAGGLE_CONFIG_DIR": ""}
    for name in ("KAGGLE_API_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY", "XDG_CONFIG_HOME"):
        env[name] = ""
    page = "https://www.kaggle.com/datasets/emmarex/plantdisease"
    done = leafgate("data", "kaggle", "--dataset", page, env=env, cwd=tmp_path)
    assert done.returncode == 2
    first, second = done.stderr.splitlines()
    assert first.startswith("error: no Kaggle token in ")
    assert "kaggle.com/settings" in second
    assert not (tmp_path / "data").exists()
    assert "--dataset" in leafgate("data", "kaggle", "--help", env=env).stdout
