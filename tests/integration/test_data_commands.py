"""Looking at images and proving a split, as commands."""

import csv
import json
import shutil
from pathlib import Path

import pytest

from leafgate.settings import Settings
from registry import ModelStore
from tests.colours import make_colour_folder
from tests.commands import environment, leafgate


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Colours, one picture of which is there twice, and a file that is no image."""
    root = make_colour_folder(tmp_path / "images", each=10)
    shutil.copy(root / "red" / "000.png", root / "red" / "again.png")
    (root / "red" / "notes.png").write_text("no image")
    return root


def test_a_split_is_proved_and_one_that_was_tampered_with_is_caught(
    folder: Path, tmp_path: Path
) -> None:
    env, split = environment(tmp_path / "var"), tmp_path / "split.csv"
    made = leafgate("data", "split", "--data", folder, "--out", split, env=env)
    assert made.returncode == 0, made.stderr
    sound = leafgate("data", "leaks", "--data", folder, "--manifest", split, env=env)
    assert sound.returncode == 0, sound.stdout + sound.stderr
    assert "0 of them on two sides" in sound.stdout

    tamper(split, "red/again.png")
    leaky = leafgate("data", "leaks", "--data", folder, "--manifest", split, env=env)
    assert leaky.returncode == 1
    assert "red/again.png" in leaky.stdout
    assert "red/000.png" in leaky.stdout


def tamper(split: Path, path: str) -> None:
    """Put one image on another side, under a group of its own: as a careless script would."""
    with split.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    for row in rows:
        if row["path"] == path:
            row |= {"side": "test" if row["side"] == "train" else "train", "group": "alone"}
    with split.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def test_the_report_is_told_written_and_kept_as_a_run(
    folder: Path, settings: Settings, tmp_path: Path
) -> None:
    var, out = settings.var_dir, tmp_path / "look"
    done = leafgate("data", "report", "--data", folder, "--out", out, env=environment(var))
    assert done.returncode == 0, done.stderr
    for told in ("31 images in 3 classes", "1 files cannot be used", "1 groups of identical"):
        assert told in done.stdout
    assert json.loads((out / "report.json").read_text())["counts"]["red"] == 11
    assert (out / "report.html").read_text().startswith("<!doctype html>")
    client = ModelStore(settings).client
    (run,) = client.search_runs([client.get_experiment_by_name("leafgate").experiment_id])
    kept = {item.path for item in client.list_artifacts(run.info.run_id, "data")}
    assert {"data/report.html", "data/report.json"} <= kept
