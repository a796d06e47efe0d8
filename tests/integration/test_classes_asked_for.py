"""A conditional generator in production: a class is asked of the API, the PyFunc and the gate."""

import base64
import io
import json
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from dashboard.calls.generating import Offer, Order, generate, on_offer
from dashboard.client import ApiClient
from dashboard.generated import read_archive
from leafgate.cli import app
from leafgate.errors import UserError
from leafgate.images import decode
from leafgate.manifest import Manifest
from leafgate.settings import Settings
from registry import ModelStore
from registry.connection import open_mlflow
from registry.evaluation_set import EvaluationSet
from registry.measure import Subject, measure_generator
from tests.colours import COLOURS
from tests.integration.conftest import RunningApi, StartApi, api_settings, prepare_database
from tests.models import register_tiny_generator

IN_TURN = ["blue", "green", "red", "blue"]


@pytest.fixture(scope="module")
def var_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """State with a conditional generator in production."""
    var_dir = tmp_path_factory.mktemp("classes") / "var"
    settings = Settings(_env_file=None, var_dir=var_dir, audit_key="a1" * 32)
    register_tiny_generator(settings, conditional=True)
    return settings.var_dir


@pytest.fixture
def asked(var_dir: Path, tmp_path: Path, start_api: StartApi) -> RunningApi:
    return start_api(api_settings(var_dir, tmp_path))


def looks_like(png: bytes) -> str:
    mean = decode(png).mean(axis=(0, 1))
    return min(COLOURS, key=lambda name: float(np.abs(mean - COLOURS[name]).sum()))


def text(png: bytes) -> dict[str, str]:
    return dict(Image.open(io.BytesIO(png)).text)  # type: ignore[attr-defined]


def test_the_api_draws_the_class_that_is_asked_for_and_all_in_turn_else(asked: RunningApi) -> None:
    red = asked.client.get("/generate", params={"n": 4, "seed": 3, "class": "red"}).json()
    posted = asked.client.post("/generate", json={"n": 4, "seed": 3, "class": "red"}).json()
    mixed = asked.client.get("/generate", params={"n": 4, "seed": 3}).json()
    assert red["images"] == posted["images"]
    assert [image["class"] for image in red["images"]] == ["red"] * 4
    assert [image["class"] for image in mixed["images"]] == IN_TURN
    assert red["images"][2] == mixed["images"][2]
    for image in (*red["images"], *mixed["images"]):
        png = base64.b64decode(image["png_base64"])
        assert looks_like(png) == text(png)["class"] == image["class"]

    refused = asked.client.get("/generate", params={"n": 1, "class": "moth"})
    told = refused.json()
    assert (refused.status_code, told["code"]) == (422, "unknown_class")
    assert "blue, green, red" in told["fix"]


def test_the_zip_has_class_folders_and_the_dashboard_knows_the_classes(asked: RunningApi) -> None:
    token = asked.client.headers["Authorization"].removeprefix("Bearer ")
    client = ApiClient(asked.url, token)
    offer = on_offer(client, "leaf-classifier", "leaf-generator")
    assert offer == Offer(("blue", "green", "red"), None, is_read=False)
    green = read_archive(generate(client, Order(3, 1, "green"))).pictures
    assert {each.asked for each in green} == {"green"}
    archive = read_archive(generate(client, Order(4, 1)))
    assert [each.asked for each in archive.pictures] == IN_TURN
    assert [looks_like(png) for png in archive.pngs(archive.pictures)] == IN_TURN
    with zipfile.ZipFile(io.BytesIO(archive.data)) as held:
        about = json.loads(held.read("manifest.json"))
    assert [name.split("/")[0] for name in about["files"]] == about["classes"] == IN_TURN

    grid = asked.client.get("/generate", params={"n": 4, "class": "red", "format": "png"})
    assert text(grid.content)["class"] == "red"
    served = asked.client.get("/models").json()[1]
    assert (served["conditional"], served["classes"]) == (True, ["blue", "green", "red"])


def stored_pyfunc(var_dir: Path) -> Any:
    """As MLflow loads it, from a copy: Python leaves compiled files beside code that it runs."""
    mlflow = open_mlflow(Settings(_env_file=None, var_dir=var_dir))
    copy = tempfile.mkdtemp(dir=var_dir)
    return mlflow.pyfunc.load_model("models:/leaf-generator/1", dst_path=copy)


def test_the_stored_pyfunc_takes_a_class_or_none(var_dir: Path, served_var: Path) -> None:
    import pandas as pd

    model = stored_pyfunc(var_dir)
    asks = {"n": [4, 2], "seed": [3, 4]}
    mixed = model.predict(pd.DataFrame({"n": [4], "seed": [3]}))
    both = model.predict(pd.DataFrame({**asks, "class": [None, "red"]}))
    assert list(both["class"]) == [*IN_TURN, "red", "red"]
    assert [looks_like(png) for png in both["image"]] == list(both["class"])
    assert list(mixed["image"]) == list(both["image"][:4])
    assert list(both["seed"]) == [3, 3, 3, 3, 4, 4]
    assert list(both["index"]) == [0, 1, 2, 3, 0, 1]
    assert {len(latent) for latent in both["latent"]} == {8}
    assert text(both["image"][5]) == {
        "synthetic": "true", "family": "noise", "class": "red", "seed": "4", "index": "1"
    }  # fmt: skip
    with pytest.raises(UserError, match="knows no class 'moth'"):
        model.predict(pd.DataFrame({"n": [1], "seed": [3], "class": ["moth"]}))

    answers = stored_pyfunc(served_var).predict(pd.DataFrame({"n": [2], "seed": [3]}))
    assert list(answers["class"]) == [None, None]
    assert "class" not in text(answers["image"][0])


def test_the_gate_looks_at_pictures_of_every_class(
    var_dir: Path, colour_manifest: Manifest
) -> None:
    store = ModelStore(Settings(_env_file=None, var_dir=var_dir))
    images = EvaluationSet(colour_manifest, colour_manifest.side("test"), "", own=True)
    subject = Subject(store, store.get("leaf-generator", 1), None, images)
    evidence = measure_generator(subject, frozenset(), "pixels")
    means = evidence.images.mean(axis=(1, 2))
    for place, colour in enumerate(COLOURS.values()):
        assert np.abs(means[place::3] - colour).max() < 40
    assert evidence.real.shape[1:] == (32, 32, 3)


def test_the_command_writes_a_class_and_says_what_was_there(
    var_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = api_settings(var_dir, tmp_path)
    prepare_database(settings)
    monkeypatch.setenv("LEAFGATE_VAR_DIR", str(var_dir))
    monkeypatch.setenv("LEAFGATE_DATABASE_URL", settings.database)
    monkeypatch.setenv("LEAFGATE_AUDIT_KEY", "a1" * 32)

    def generate(*options: str) -> str:
        told = CliRunner().invoke(app, ["generate", "--out", str(tmp_path / "made"), *options])
        assert told.exit_code == 0, told.output
        return told.stdout

    generate("--n", "2", "--class", "red", "--seed", "9")
    told = generate("--n", "3", "--class", "red", "--seed", "9")
    assert "3 synthetic images" in told
    assert "2 were there already, 1 drawn" in told
    files = sorted((tmp_path / "made").rglob("*.png"))
    assert [file.parent.name for file in files] == ["red"] * 3
    assert [looks_like(file.read_bytes()) for file in files] == ["red"] * 3
