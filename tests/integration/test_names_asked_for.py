"""A class is the same class however its name is spelt: asked of the API, and of the command line.

The models are as an older LeafGate stored them: their classes are named as the folders were.
"""

import os
import shutil
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from leafgate.cli import app
from leafgate.settings import Settings
from tests.colours import COLOURS
from tests.integration.conftest import (
    RunningApi,
    api_settings,
    starting_apis,
)
from tests.integration.test_api_answers import png, stored
from tests.integration.test_feedback import correct
from tests.models import noise_network, register_tiny_classifier, register_tiny_generator

NFD = unicodedata.normalize("NFD", "café")
STORED = ("healthy ", NFD, "rust")  # for blue, green and red
SPELLINGS = ["café", NFD, " café ", "café\u00a0", "\ufeffcafé"]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Iterator[RunningApi]:
    folder = tmp_path_factory.mktemp("names")
    shutil.copytree(empty_store, folder / "var")
    settings = Settings(_env_file=None, var_dir=folder / "var", audit_key="a1" * 32)
    register_tiny_classifier(settings, labels=STORED)
    network = noise_network(conditional=tuple(COLOURS))
    register_tiny_generator(settings, classes=STORED, conditional=True, network=network)
    with starting_apis() as start:
        yield start(api_settings(folder / "var", folder))


def test_answers_name_classes_in_one_spelling(served: RunningApi) -> None:
    answer = served.client.post("/predict", files={"file": ("leaf.png", png("green"))}).json()
    assert answer["class"] == "café"
    assert {each["class"] for each in answer["top"]} == {"healthy", "café", "rust"}


@pytest.mark.parametrize("asked", SPELLINGS)
def test_an_explanation_is_asked_by_any_spelling(served: RunningApi, asked: str) -> None:
    file = {"file": ("leaf.png", png("red"))}
    answer = served.client.post("/explain", params={"class": asked}, files=file)
    assert answer.status_code == 200, answer.text
    assert answer.json()["explained"] == "café"


def test_a_class_that_is_none_is_refused(served: RunningApi) -> None:
    for asked in ("Café", "cafe", "caf", ""):
        file = {"file": ("leaf.png", png("red"))}
        answer = served.client.post("/explain", params={"class": asked}, files=file)
        assert (answer.status_code, answer.json()["code"]) == (422, "unknown_class"), asked


@pytest.mark.parametrize("asked", SPELLINGS)
def test_pictures_of_a_class_are_asked_by_any_spelling(served: RunningApi, asked: str) -> None:
    query: dict[str, str | int] = {"n": 1, "seed": 1, "class": asked}
    for answer in (
        served.client.get("/generate", params=query),
        served.client.post("/generate", json=query),
    ):
        assert answer.status_code == 200, answer.text
        assert answer.json()["images"][0]["class"] == "café"


def test_feedback_in_any_spelling_is_held_against_the_answer(served: RunningApi) -> None:
    file = {"file": ("leaf.png", png("green"))}
    identifier = served.client.post("/predict", files=file).json()["request_id"]
    stored(served, identifier)
    for said in SPELLINGS:
        told = correct(served, identifier, said).json()
        assert (told["class"], told["known"]) == ("café", True), told
        assert told["right"] is True
    wrong = correct(served, identifier, "healthy").json()
    assert (wrong["class"], wrong["known"], wrong["right"]) == ("healthy", True, False)
    told = correct(served, identifier, "Café").json()
    assert (told["class"], told["known"], told["right"]) == ("Café", False, False)


@pytest.mark.parametrize("said", ["", "  ", "\u200b", "\ufeff\u00a0", "a" * 201, "b\nc", "\u00a0"])
def test_feedback_without_a_name_is_refused(served: RunningApi, said: str) -> None:
    answer = correct(served, "01989f6e-7d3a-7c55-b1a0-2f3c4d5e6f70", said)
    assert answer.status_code == 422, answer.text


def command(served: RunningApi, monkeypatch: pytest.MonkeyPatch, *arguments: object) -> Result:
    settings = served.settings
    monkeypatch.setenv("LEAFGATE_VAR_DIR", str(settings.var_dir))
    monkeypatch.setenv("LEAFGATE_DATABASE_URL", settings.database)
    monkeypatch.setenv("LEAFGATE_AUDIT_KEY", "a1" * 32)
    return CliRunner().invoke(app, list(map(str, arguments)))


def test_the_command_draws_a_class_by_any_spelling(
    served: RunningApi, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for asked in SPELLINGS:
        made = command(
            served, monkeypatch, "generate", "--n", 2, "--class", asked, "--out", tmp_path / "out"
        )
        assert made.exit_code == 0, made.stderr
    (folder,) = (tmp_path / "out").iterdir()
    assert folder.name == "café"
    assert len(list(folder.iterdir())) == 2


def test_predict_answers_all_files_and_names_the_bad_ones(
    served: RunningApi, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    good, odd = tmp_path / "good.png", tmp_path / os.fsdecode(b"caf\xe9.png")
    for file in (good, odd):
        file.write_bytes(png("red"))
    (tmp_path / "words.jpg").write_text("words")
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "cut.png").write_bytes(png("red")[:200])
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop.png").symlink_to("loop.png")
    (tmp_path / "large.png").write_bytes(png("red"))
    os.truncate(tmp_path / "large.png", 51 * 2**20)
    reasons = {
        "words.jpg": "the file is not an image",
        "empty.jpg": "the file is empty",
        "cut.png": "cannot be read",
        "folder": "it is a folder",
        "loop.png": "it cannot be read",
        "large.png": "it has more than 52,428,800 bytes",
        "missing.jpg": "it cannot be read (No such file or directory)",
    }
    files = [*(tmp_path / name for name in reasons), good, odd]
    done = command(served, monkeypatch, "predict", *files)
    assert done.exit_code == 1
    answered = [line.split("\t")[:2] for line in done.stdout.splitlines()]
    assert answered == [[str(good), "rust"], [f"{tmp_path}/caf%E9.png", "rust"]]
    for name, reason in reasons.items():
        (line,) = [each for each in done.stderr.splitlines() if f"{tmp_path / name}:" in each]
        assert reason in line
    assert done.stderr.count("what to do") == len(reasons)
    assert "7 of 9 files were not classified" in done.stderr
    assert "Traceback" not in done.stderr

    alone = command(served, monkeypatch, "predict", tmp_path / "words.jpg")
    assert (alone.exit_code, alone.stdout) == (1, "")
    assert "words.jpg: the file is not an image" in alone.stderr
    assert command(served, monkeypatch, "predict", good, good).exit_code == 0
