"""A folder of class folders is read honestly: what cannot be used is named, skipped, counted."""

from pathlib import Path

import pytest

from leafgate.errors import UserError
from tests.colours import colour_picture, make_colour_folder
from tests.folders import images
from training.data.folder import scan_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_colour_folder(tmp_path / "images", each=3)


def test_every_image_is_found_with_its_class(folder: Path) -> None:
    scan = scan_folder(folder)
    assert scan.counts == {"blue": 3, "green": 3, "red": 3}
    assert scan.skipped == ()


def test_broken_and_foreign_files_are_named_and_skipped(folder: Path) -> None:
    colour_picture("red", 9).save(folder / "red" / "whole.JPG", "JPEG")
    whole = (folder / "red" / "whole.JPG").read_bytes()
    (folder / "red" / "cut.jpg").write_bytes(whole[:300])
    (folder / "green" / "words.jpg").write_text("not a picture")
    (folder / "blue" / "notes.txt").write_text("notes")
    (folder / "blue" / ".hidden").write_text("")
    (folder / "ABOUT.json").write_text("{}")

    scan = scan_folder(folder)

    assert scan.counts == {"blue": 3, "green": 3, "red": 4}
    assert {item.path for item in scan.skipped} == {
        "red/cut.jpg",
        "green/words.jpg",
        "blue/notes.txt",
    }
    assert "skipped green/words.jpg: the file is not an image" in scan.summary()


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        ((2, 2), "4 images in 2 classes, 2 a class"),
        ((2, 3), "5 images in 2 classes, 2 to 3 a class"),
    ],
)
def test_the_summary_says_how_large_the_classes_are(
    sizes: tuple[int, ...], said: str, tmp_path: Path
) -> None:
    for name, count in zip("ab", sizes, strict=True):
        images(tmp_path / name, count)
    assert scan_folder(tmp_path).summary().splitlines()[0] == said


def test_a_folder_without_classes_is_not_said_to_have_one(tmp_path: Path) -> None:
    images(tmp_path / "any", 3)
    summary = scan_folder(tmp_path / "any", classes_needed=False).summary()
    assert summary.splitlines()[0] == "3 images"


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no folder"):
        scan_folder(tmp_path / "none")


def test_a_folder_without_class_folders_is_told_what_is_expected(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"")
    with pytest.raises(UserError, match="no class folders") as raised:
        scan_folder(tmp_path)
    assert "<class>/<image>" in raised.value.fix


def test_one_class_is_too_few(tmp_path: Path) -> None:
    (tmp_path / "only").mkdir()
    with pytest.raises(UserError, match="only one class folder"):
        scan_folder(tmp_path)


def test_an_empty_class_is_named(folder: Path) -> None:
    (folder / "yellow").mkdir()
    with pytest.raises(UserError, match="class yellow has no usable image"):
        scan_folder(folder)


def test_a_class_of_broken_files_is_named_with_the_reason(folder: Path) -> None:
    (folder / "yellow").mkdir()
    (folder / "yellow" / "a.png").write_text("words")
    with pytest.raises(UserError, match="1 files skipped, the first: the file is not an image"):
        scan_folder(folder)


def test_the_folder_above_the_right_one_is_read_from_there(folder: Path) -> None:
    (folder.parent / "other" / "class").mkdir(parents=True)
    scan = scan_folder(folder.parent)
    assert scan.counts == {"blue": 3, "green": 3, "red": 3}
    assert scan.images[0].path == "images/blue/000.png"
    assert "the images are read from images/" in scan.summary()
    assert "left out other/: holds no image" in scan.summary()
