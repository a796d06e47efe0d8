"""Folders that come split keep their sides, and it is said what these are worth."""

import json
import shutil
from collections import Counter
from pathlib import Path

import pytest
from typer.testing import CliRunner

from leafgate.cli import app
from leafgate.errors import UserError
from leafgate.manifest import Manifest
from leafgate.settings import Settings
from registry import ModelStore, start_run
from tests.folders import classes, images, sides
from training.data import border
from training.data.folder import scan_folder
from training.data.report import data_report
from training.data.report_page import write_report
from training.data.scarcity import make_scarce
from training.data.split import split


def counted(manifest: Manifest) -> dict[str, int]:
    return dict(Counter(str(row.side) for row in manifest.rows))


def origin_lines(manifest: Manifest) -> str:
    assert manifest.origin is not None
    return "\n".join(manifest.origin.lines())


@pytest.mark.parametrize(
    "names",
    [
        ("train", "val", "test"), ("Training", "Validation", "Testing"), ("TRAIN", "VALID", "TEST"),
        ("TrAiN", "VaL", "tEsT"), ("trainSet", "validSet", "testSet"),
        ("train_set", "dev_set", "test_set"), ("seg_train/x", "seg_val/x", "seg_test/x"),
        ("deep/er/train", "deep/er/val", "deep/er/test"),
    ],
)  # fmt: skip
def test_the_sides_are_those_of_the_folders(names: tuple[str, ...], tmp_path: Path) -> None:
    sides(tmp_path, **dict(zip(names, (5, 2, 3), strict=True)))
    scan = scan_folder(tmp_path)
    assert scan.counts == {"a": 10, "b": 10}
    manifest = split(scan)
    assert counted(manifest) == {"train": 10, "validation": 4, "test": 6}
    for row in manifest.rows:
        wanted = names[("train", "validation", "test").index(row.side)]
        assert row.path.startswith(wanted)
    assert "sides given by the folders: train from" in origin_lines(manifest)


def test_sides_inside_of_the_classes_are_kept_too(tmp_path: Path) -> None:
    for name in ("a", "b"):
        images(tmp_path / name / "train", 6)
        images(tmp_path / name / "val", 2)
        images(tmp_path / name / "test", 3)
    assert counted(split(scan_folder(tmp_path))) == {"train": 12, "validation": 4, "test": 6}


@pytest.mark.parametrize(("there", "lacking"), [("test", "validation"), ("val", "test")])
def test_a_side_that_is_lacking_is_taken_from_training(
    there: str, lacking: str, tmp_path: Path
) -> None:
    sides(tmp_path, **{"train": 12, there: 3})
    manifest = split(scan_folder(tmp_path))
    for name in ("a", "b"):
        taken = [row for row in manifest.rows if row.side == lacking and row.class_name == name]
        assert len(taken) == 2
        assert all(row.path.startswith("train/") for row in taken)
    assert f"4 training images were taken for {lacking}" in origin_lines(manifest)


def test_what_is_taken_leaves_no_copy_in_training(tmp_path: Path) -> None:
    sides(tmp_path, train=8, test=2)
    for number in range(8):
        file = tmp_path / "train" / "a" / f"{number}.png"
        shutil.copy(file, file.with_name(f"copy {number}.png"))
    manifest = split(scan_folder(tmp_path))
    assert manifest.groups_on_two_sides() == ()
    assert manifest.side("validation")


def test_leaks_between_the_given_sides_are_counted_and_kept(tmp_path: Path) -> None:
    sides(tmp_path, train=6, val=2, test=3)
    shutil.copy(tmp_path / "train" / "a" / "0.png", tmp_path / "test" / "a" / "copy.png")
    manifest = split(scan_folder(tmp_path))
    assert counted(manifest)["test"] == 7
    assert len(manifest.groups_on_two_sides()) == 1
    assert manifest.origin is not None
    assert manifest.origin.leaks == 1
    assert "--resplit makes sides without them" in origin_lines(manifest)


def test_asked_to_it_divides_all_images_anew(tmp_path: Path) -> None:
    sides(tmp_path, train=12, test=8)
    shutil.copy(tmp_path / "train" / "a" / "0.png", tmp_path / "test" / "a" / "copy.png")
    manifest = split(scan_folder(tmp_path), resplit=True)
    assert manifest.groups_on_two_sides() == ()
    assert counted(manifest) == {"train": 29, "validation": 6, "test": 6}
    assert manifest.origin is not None
    assert manifest.origin.folders == {}


def test_a_picture_under_two_classes_of_two_sides_is_on_none(tmp_path: Path) -> None:
    sides(tmp_path, train=6, val=2, test=3)
    shutil.copy(tmp_path / "train" / "a" / "0.png", tmp_path / "test" / "b" / "again.png")
    manifest = split(scan_folder(tmp_path))
    assert len(manifest.rows) == 21
    assert manifest.origin is not None
    assert manifest.origin.conflicts == (("test/b/again.png", "train/a/0.png"),)


def test_classes_that_are_only_tested_on_are_named_together(tmp_path: Path) -> None:
    sides(tmp_path, train=6, test=3)
    classes(tmp_path / "test", ("A ", "c"), 2)
    with pytest.raises(UserError, match=r"class c has images in test alone") as raised:
        split(scan_folder(tmp_path))
    assert "class A has images in test alone (the training images have 'a'" in raised.value.problem
    assert "--resplit" in raised.value.fix


def test_a_class_with_nearly_the_name_of_a_learnt_one_is_told_which(tmp_path: Path) -> None:
    classes(tmp_path / "train", ("Early Blight", "rust"))
    classes(tmp_path / "test", ("early_blight", "rust"), 3)
    with pytest.raises(UserError, match=r"the training images have 'Early Blight'"):
        split(scan_folder(tmp_path))


def test_classes_too_small_to_take_a_side_from_are_named_together(tmp_path: Path) -> None:
    classes(tmp_path / "train", ("a", "b"), 6)
    classes(tmp_path / "train", ("c", "d"), 1)
    classes(tmp_path / "test", ("a", "b", "c", "d"), 2)
    with pytest.raises(UserError, match=r"images of class c, .* images of class d, "):
        split(scan_folder(tmp_path))


def test_an_evaluation_folder_is_the_test_side(tmp_path: Path) -> None:
    sides(tmp_path, training=6, validation=2, evaluation=3)
    assert counted(split(scan_folder(tmp_path))) == {"train": 12, "validation": 4, "test": 6}


def test_a_class_that_is_not_tested_on_is_told(tmp_path: Path) -> None:
    sides(tmp_path, train=6, val=2, test=3)
    classes(tmp_path / "train", ("c",), 6)
    manifest = split(scan_folder(tmp_path))
    assert "class c has no test image" in origin_lines(manifest)
    assert "class c has no validation image: some are taken from training" in origin_lines(manifest)


def test_sides_without_training_images_are_refused(tmp_path: Path) -> None:
    sides(tmp_path, val=6, test=6)
    with pytest.raises(UserError, match="no folder of training images") as raised:
        split(scan_folder(tmp_path))
    assert "--resplit" in raised.value.fix
    assert len(split(scan_folder(tmp_path), resplit=True).rows) == 24


def test_too_few_to_take_a_side_from_is_told(tmp_path: Path) -> None:
    sides(tmp_path, train=1, test=3)
    with pytest.raises(UserError, match="no validation images of class a, and its training images"):
        split(scan_folder(tmp_path))


def test_folders_beside_the_sides_are_left_out_by_name(tmp_path: Path) -> None:
    sides(tmp_path, train=6, val=2, test=3)
    images(tmp_path / "pred", 3)
    shutil.copytree(tmp_path / "test", tmp_path / "set" / "test")
    (tmp_path / "README.md").write_text("")
    told = scan_folder(tmp_path).summary()
    assert (
        "left out pred/ (3 files): beside the folders test, train, val: its side is unknown" in told
    )
    assert "left out set/ (6 files): a copy of the folders test, train, val" in told
    assert "left out README.md (1 file)" in told


def test_two_folders_of_one_side_and_an_empty_one_are_named(tmp_path: Path) -> None:
    sides(tmp_path, train=6, train_more=3, val=2)
    (tmp_path / "test").mkdir()
    scan = scan_folder(tmp_path)
    assert "train in train/, train_more/, validation in val/" in scan.summary()
    assert "left out test/: holds no image" in scan.summary()
    assert counted(split(scan))["test"] >= 2


def test_the_augmented_set_of_kaggle_is_read_as_it_is(tmp_path: Path) -> None:
    sides(tmp_path / "Plants(Augmented)" / "Plants(Augmented)", train=8, valid=3)
    shutil.copytree(tmp_path / "Plants(Augmented)", tmp_path / "plants(augmented)")
    images(tmp_path / "test" / "test", 4)
    scan = scan_folder(tmp_path)
    assert set(scan.sides) == {"train", "validation"}
    assert scan.counts == {"a": 11, "b": 11}
    assert "left out test/ (4 files)" in scan.summary()
    assert "left out plants(augmented)/ (22 files): a copy of" in scan.summary()


def test_the_command_says_what_the_sides_are_and_keeps_it(tmp_path: Path) -> None:
    root, out = sides(tmp_path / "data", train=6, test=3), tmp_path / "split.csv"
    command = ["data", "split", "--data", str(root), "--out", str(out)]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert "sides given by the folders: train from train/, test from test/" in done.output
    kept = json.loads((tmp_path / "split.origin.json").read_text())
    assert kept["folders"] == {"train": "train", "test": "test"}
    assert kept["carved"] == {"validation": 2}
    again = CliRunner().invoke(app, [*command, "--resplit"])
    assert again.exit_code == 0, again.output
    assert "sides given" not in again.output
    assert "the split of the folders is not used (--resplit)" in again.output
    origin = json.loads((tmp_path / "split.origin.json").read_text())
    assert origin["sides"] == "made by LeafGate"
    rows = Manifest.load(out, root).rows
    assert {row.side for row in rows if row.path.startswith("test/")} != {"test"}


def test_the_run_says_what_the_sides_are(tmp_path: Path, settings: Settings) -> None:
    root = sides(tmp_path / "data", train=6, test=3)
    shutil.copy(root / "train" / "a" / "0.png", root / "test" / "a" / "copy.png")
    shutil.copy(root / "train" / "a" / "1.png", root / "train" / "b" / "again.png")
    (root / "notes.txt").write_text("")
    with start_run(settings, "train classifier") as run:
        run.log_data(split(scan_folder(root)), "data")
    client = ModelStore(settings).client
    tags = client.get_run(run.run_id).data.tags
    assert tags["data.sides"].startswith("given by the folders: train from train/, test from test/")
    assert "training images were taken for validation" in tags["data.sides"]
    assert (tags["data.leaks"], tags["data.conflicts"], tags["data.left_out"]) == ("1", "2", "1")
    kept = {item.path for item in client.list_artifacts(run.run_id, "data")}
    assert kept == {"data/manifest.csv", "data/manifest.origin.json"}


def test_the_report_says_what_they_are_and_shows_what_is_on_two(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(border, "TREES", 5)
    root = sides(tmp_path / "data", Train=6, valid=2, test=3)
    shutil.copy(root / "Train" / "a" / "0.png", root / "test" / "a" / "copy.png")
    images(root / "pred", 2)
    scan = scan_folder(root)
    report = data_report(scan)
    told = "\n".join(report.lines())
    assert "train 12 images (Train/), validation 4 images (valid/), test 7 images (test/)" in told
    assert "on two of them: 1" in told
    assert "1 on two sides of the split" in told
    page = write_report(report, scan, tmp_path / "out").read_text()
    assert "Sides that the folders give" in page
    assert "Train/a/0.png (train), test/a/copy.png (test)" in page
    assert "<td>pred/</td><td>2</td><td>beside the folders" in page
    found = json.loads((tmp_path / "out" / "report.json").read_text())["sides"]
    assert found["counts"]["a"] == {"train": 6, "validation": 2, "test": 4}


def test_a_report_needs_no_test_side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(border, "TREES", 5)
    report = data_report(scan_folder(sides(tmp_path, train=6, val=3)))
    assert report.border is not None
    assert "folds" in report.border.method


def test_the_leak_test_judges_given_sides_where_no_split_of_them_was_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    root = sides(tmp_path / "data", train=6, val=2, test=3)
    command = ["data", "leaks", "--data", str(root)]
    fine = CliRunner().invoke(app, command)
    assert fine.exit_code == 0, fine.output
    assert "judged: the sides that the folders give" in fine.output
    shutil.copy(root / "train" / "a" / "0.png", root / "test" / "a" / "copy.png")
    leaking = CliRunner().invoke(app, command)
    assert leaking.exit_code == 1, leaking.output
    assert "test/a/copy.png (test), train/a/0.png (train)" in leaking.output
    split(scan_folder(classes(tmp_path / "other"))).save(tmp_path / "split.csv")
    assert CliRunner().invoke(app, command).exit_code == 1
    split(scan_folder(root), resplit=True).save(tmp_path / "split.csv")
    made = CliRunner().invoke(app, command)
    assert made.exit_code == 0, made.output
    assert "judged: split.csv" in made.output


def test_a_scarce_copy_keeps_every_side(tmp_path: Path) -> None:
    scan = scan_folder(sides(tmp_path / "data", train=6, val=2, test=3))
    assert make_scarce(scan, tmp_path / "few", per_class=2) == {"a": 6, "b": 6}
    assert set(scan_folder(tmp_path / "few").sides) == {"train", "validation", "test"}
