"""One picture under several classes: all are listed at once, none is learnt from or tested on."""

import json
from collections.abc import Sequence
from dataclasses import replace
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from leafgate.cli import app
from leafgate.errors import UserError
from leafgate.manifest import Manifest, ManifestRow
from tests.colours import colour_picture, make_colour_folder
from training.data import border
from training.data.folder import FolderScan, scan_folder
from training.data.leaks import find_leaks
from training.data.report import data_report
from training.data.report_page import write_report
from training.data.split import split

PAIRS = (("blue/005.png", "red/again.png"), ("green/004.png", "red/too.png"))


def copied(root: Path, *pairs: Sequence[str]) -> FolderScan:
    """The folder, where the first file of each has the others as copies."""
    for first, *others in pairs:
        for other in others:
            (root / other).write_bytes((root / first).read_bytes())
    return scan_folder(root)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_colour_folder(tmp_path / "images")


def test_such_pictures_are_on_no_side_and_are_counted(root: Path) -> None:
    manifest = split(copied(root, *PAIRS))
    assert not {row.path for row in manifest.rows} & {path for pair in PAIRS for path in pair}
    assert len(manifest.rows) == 34
    assert manifest.origin is not None
    assert manifest.origin.conflicts == PAIRS
    told = "\n".join(manifest.origin.lines())
    assert "4 files of 2 pictures" in told
    assert "blue/005.png = red/again.png" in told


def test_a_picture_under_three_classes_is_one_finding(root: Path) -> None:
    found = ("blue/005.png", "green/x.png", "red/y.png")
    manifest = split(copied(root, found))
    assert manifest.origin is not None
    assert manifest.origin.conflicts == (found,)


def test_the_same_pixels_in_another_format_are_the_same_picture(root: Path) -> None:
    Image.open(root / "blue" / "005.png").save(root / "red" / "again.bmp")
    manifest = split(scan_folder(root))
    assert manifest.origin is not None
    assert manifest.origin.conflicts == (("blue/005.png", "red/again.bmp"),)


def test_a_picture_saved_again_under_another_class_is_kept_and_counted(
    root: Path, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    layers = [
        Image.fromarray(rng.integers(0, 255, (cells, cells, 3), dtype=np.uint8)).resize((96, 96))
        for cells in (3, 6, 12, 24, 48)
    ]
    picture = Image.fromarray(
        np.mean([np.asarray(layer) for layer in layers], axis=0).astype(np.uint8)
    )
    picture.save(root / "blue" / "spots.png")
    picture.save(root / "red" / "again.jpg", quality=80)
    manifest = split(scan_folder(root))
    assert manifest.origin is not None
    assert manifest.origin.conflicts == ()
    assert "1 group of near copies with files of more than one" in "".join(manifest.origin.lines())
    manifest.save(tmp_path / "split.csv")
    assert Manifest.load(tmp_path / "split.csv", root).origin == manifest.origin


def test_copies_in_one_class_are_no_conflict(root: Path) -> None:
    manifest = split(copied(root, ("blue/005.png", "blue/again.png")))
    assert manifest.origin is not None
    assert manifest.origin.conflicts == ()
    assert len(manifest.rows) == 37


def test_other_images_stay_on_the_sides_that_they_would_have(root: Path) -> None:
    clean = split(scan_folder(root))
    (root / "red" / "again.png").write_bytes((root / "blue" / "005.png").read_bytes())
    kept = split(scan_folder(root))
    greens = [row for row in clean.rows if row.class_name == "green"]
    assert [row for row in kept.rows if row.class_name == "green"] == greens


def test_asked_to_refuse_them_it_lists_all_at_once(root: Path) -> None:
    with pytest.raises(UserError, match="2 pictures are filed under more than one") as raised:
        split(copied(root, *PAIRS), conflicts="error")
    for pair in PAIRS:
        assert " = ".join(pair) in raised.value.problem
    assert "--conflicts exclude" in raised.value.fix


def test_a_class_that_becomes_too_small_is_told_why(root: Path) -> None:
    pairs = [(f"blue/{n:03d}.png", f"tiny/{n}.png") for n in range(3)]
    (root / "tiny").mkdir()
    for number in range(3, 5):
        colour_picture("red", 50 + number).save(root / "tiny" / f"{number}.png")
    with pytest.raises(UserError, match=r"class tiny has 5 images, 3 of them filed .* 2 different"):
        split(copied(root, *pairs))


def test_the_sides_leave_a_note_beside_the_manifest(root: Path, tmp_path: Path) -> None:
    manifest = split(copied(root, *PAIRS))
    manifest.save(tmp_path / "split.csv")
    told = json.loads((tmp_path / "split.origin.json").read_text())
    assert told["conflicts"] == [list(pair) for pair in PAIRS]
    assert Manifest.load(tmp_path / "split.csv", root).origin == manifest.origin
    other = replace(manifest, rows=manifest.rows[1:], origin=None)
    other.save(tmp_path / "split.csv")
    assert Manifest.load(tmp_path / "split.csv", root).origin is None


def test_the_leak_test_says_why_they_have_no_side(root: Path) -> None:
    scan = copied(root, *PAIRS)
    report = find_leaks(scan, split(scan))
    assert report.unknown == ()
    assert len(report.excluded) == 4


def test_the_report_shows_them_side_by_side(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(border, "TREES", 5)
    scan = copied(root, *PAIRS)
    report = data_report(scan)
    assert "2 pictures are filed under more than one class (4 files)" in "\n".join(report.lines())
    page = unescape(write_report(report, scan, tmp_path / "out").read_text())
    shown = page.split("One picture under more than one class</h2>")[1].split("<h2>")[0]
    assert shown.count("<img") == 4
    for told in ("blue or red", "blue: 005.png", "red: again.png", "green or red", "red: too.png"):
        assert told in shown
    found = json.loads((tmp_path / "out" / "report.json").read_text())["conflicts"]
    assert found[0] == {"paths": list(PAIRS[0]), "classes": ["blue", "red"]}


def test_the_command_excludes_them_unless_asked_to_refuse(root: Path, tmp_path: Path) -> None:
    copied(root, *PAIRS)
    command = ["data", "split", "--data", str(root), "--out", str(tmp_path / "split.csv")]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert "4 files of 2 pictures" in done.output
    refused = CliRunner().invoke(app, [*command, "--conflicts", "error"])
    assert isinstance(refused.exception, UserError)
    unknown = CliRunner().invoke(app, [*command, "--conflicts", "maybe"])
    assert isinstance(unknown.exception, UserError)


@pytest.mark.parametrize("kind", ["classifier", "generator"])
def test_a_training_refuses_them_before_it_begins(
    kind: str, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEAFGATE_VAR_DIR", str(tmp_path / "var"))
    scan = copied(root, *PAIRS)
    rows = [
        ManifestRow(i.path, i.class_name, "train", i.sha256[:16], i.sha256) for i in scan.images
    ]
    Manifest(root, tuple(rows)).save(tmp_path / "made-elsewhere.csv")
    command = ["train", kind, "--data", str(root), "--unsigned"]
    for refusing in (
        ["conflicts=error"],
        ["--conflicts", "error"],
        ["--manifest", str(tmp_path / "made-elsewhere.csv"), "conflicts=error"],
    ):
        refused = CliRunner().invoke(app, [*command, *refusing])
        assert isinstance(refused.exception, UserError), refused.output
        assert refused.exception.code == "conflicting_labels"
    unknown = CliRunner().invoke(app, [*command, "conflicts=maybe"])
    assert isinstance(unknown.exception, UserError)
    assert "maybe" in unknown.exception.problem


def test_a_class_that_is_all_in_conflict_is_named(root: Path) -> None:
    (root / "twin").mkdir()
    pairs = [(f"blue/{n:03d}.png", f"twin/{n}.png") for n in range(3)]
    with pytest.raises(UserError, match=r"class twin has 3 images, all 3 of them filed"):
        split(copied(root, *pairs))


def test_a_scarce_copy_has_neither_file_of_such_a_picture(root: Path, tmp_path: Path) -> None:
    scan = copied(root, *PAIRS)
    command = ["data", "scarce", "--data", str(root), "--out", str(tmp_path / "few")]
    done = CliRunner().invoke(app, [*command, "--per-class", "99"])
    assert "left out: 2 pictures are filed under more than one class (4 files)" in done.output
    left = {image.path for image in scan_folder(tmp_path / "few").images}
    assert left == {image.path for image in scan.images} - {path for pair in PAIRS for path in pair}


def test_the_demo_refuses_them_where_asked_to(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied(root, *PAIRS)
    monkeypatch.setenv("LEAFGATE_VAR_DIR", str(tmp_path / "var"))
    command = ["demo", "--no-serve", "--data", str(root), "--conflicts", "error"]
    refused = CliRunner().invoke(app, command)
    assert isinstance(refused.exception, UserError), refused.output
    assert refused.exception.code == "conflicting_labels"
