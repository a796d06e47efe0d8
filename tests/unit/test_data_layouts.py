"""Data folders as they come: copies in copies, leavings of programs, links, folders in classes."""

import os
import shutil
from pathlib import Path

import pytest

from leafgate.errors import UserError
from tests.folders import classes, image, images, sides
from training.data.folder import FolderScan, scan_folder
from training.data.split import split


def told(scan: FolderScan) -> str:
    return scan.summary()


def test_a_copy_of_all_classes_beside_them_is_left_out_with_a_reason(tmp_path: Path) -> None:
    root = classes(tmp_path / "PlantVillage")
    shutil.copytree(root, root / "PlantVillage")
    scan = scan_folder(root)
    assert scan.counts == {"a": 6, "b": 6}
    line = "left out PlantVillage/ (12 files): a copy of the class folders beside it"
    assert line in told(scan)


def test_the_folder_above_both_copies_will_do(tmp_path: Path) -> None:
    root = classes(tmp_path / "PlantVillage")
    shutil.copytree(root, root / "PlantVillage")
    scan = scan_folder(tmp_path)
    assert scan.counts == {"a": 6, "b": 6}
    assert "the images are read from PlantVillage/" in told(scan)


def test_what_a_copy_holds_beyond_the_first_is_counted(tmp_path: Path) -> None:
    root = classes(tmp_path / "PlantVillage")
    shutil.copytree(root, root / "PlantVillage")
    image(root / "PlantVillage" / "a" / "new.png")
    assert "with 1 image that they lack (of 13)" in told(scan_folder(root))


def test_of_two_whole_copies_one_is_read(tmp_path: Path) -> None:
    classes(tmp_path / "PlantVillage")
    shutil.copytree(tmp_path / "PlantVillage", tmp_path / "plantvillage" / "PlantVillage")
    scan = scan_folder(tmp_path)
    assert scan.counts == {"a": 6, "b": 6}
    assert "left out plantvillage/ (12 files): a copy of PlantVillage/" in told(scan)


def test_several_data_sets_in_one_folder_are_named(tmp_path: Path) -> None:
    classes(tmp_path / "color")
    classes(tmp_path / "grey")
    with pytest.raises(UserError, match=r"color, grey") as raised:
        scan_folder(tmp_path)
    assert f"--data {tmp_path / 'color'}" in raised.value.fix


@pytest.mark.parametrize("name", ["__MACOSX", ".ipynb_checkpoints", ".git", "@eaDir", "__macosx"])
def test_leavings_of_programs_are_no_classes(name: str, tmp_path: Path) -> None:
    classes(tmp_path)
    images(tmp_path / name, 2)
    images(tmp_path / "a" / name, 1)
    scan = scan_folder(tmp_path)
    assert scan.counts == {"a": 6, "b": 6}
    assert f"left out {name}/ (2 files): hidden, or made by" in told(scan)
    assert f"left out a/{name}/ (1 file): hidden, or made by" in told(scan)


@pytest.mark.parametrize("name", [".DS_Store", "Thumbs.db", "desktop.ini", "._0.png"])
def test_files_of_the_operating_system_are_counted(name: str, tmp_path: Path) -> None:
    classes(tmp_path)
    (tmp_path / name).write_text("")
    (tmp_path / "a" / name).write_text("")
    scan = scan_folder(tmp_path)
    assert scan.skipped == ()
    assert [item.path for item in scan.left_out] == [name, f"a/{name}"]


def test_images_in_folders_of_a_class_belong_to_it(tmp_path: Path) -> None:
    classes(tmp_path)
    images(tmp_path / "a" / "2023" / "may", 2)
    images(tmp_path / "a" / "2024", 1)
    scan = scan_folder(tmp_path)
    assert scan.counts == {"a": 9, "b": 6}
    assert "class a includes 3 images from 2 subfolders (2023, 2024)" in told(scan)


def test_one_image_in_one_folder_of_a_class_is_one(tmp_path: Path) -> None:
    classes(tmp_path)
    images(tmp_path / "a" / "more", 1)
    scan = scan_folder(tmp_path)
    assert "class a includes 1 image from 1 subfolder (more)" in told(scan)


def test_a_class_may_hold_folders_alone(tmp_path: Path) -> None:
    classes(tmp_path)
    images(tmp_path / "c" / "2023", 3)
    assert scan_folder(tmp_path).counts == {"a": 6, "b": 6, "c": 3}


def test_a_copy_inside_a_class_and_another_class_inside_it_are_left_out(tmp_path: Path) -> None:
    classes(tmp_path)
    shutil.copytree(tmp_path / "b", tmp_path / "b" / "copy")
    images(tmp_path / "a" / "B", 2)
    scan = scan_folder(tmp_path)
    assert scan.counts == {"a": 6, "b": 6}
    assert "left out b/copy/ (6 files): a copy of the images in the folder above" in told(scan)
    assert "left out a/B/ (2 files): has the name of another class" in told(scan)


def test_broken_links_loops_and_what_is_no_file_are_named(tmp_path: Path) -> None:
    root = classes(tmp_path / "images")
    (root / "a" / "gone.png").symlink_to("nowhere.png")
    (root / "a" / "self.png").symlink_to("self.png")
    (root / "a" / "up").symlink_to("..")
    (root / "c").symlink_to("b")
    os.mkfifo(root / "b" / "pipe.png")
    image(root / "loose.png")
    scan = scan_folder(root)
    assert scan.counts == {"a": 6, "b": 6}
    reasons = {item.path: item.reason for item in scan.left_out}
    assert reasons.keys() == {
        "a/gone.png", "a/self.png", "a/up/", "c/", "b/pipe.png", "loose.png",
    }  # fmt: skip
    assert "broken link, to nowhere.png" in reasons["a/gone.png"]
    assert "leads to itself" in reasons["a/self.png"]
    assert "loop" in reasons["a/up/"]
    assert "a link to b/" in reasons["c/"]
    assert "no regular file" in reasons["b/pipe.png"]
    assert "images among them: 1" in reasons["loose.png"]


def test_links_to_folders_and_files_elsewhere_are_followed_and_counted(tmp_path: Path) -> None:
    root = classes(tmp_path / "images")
    images(tmp_path / "elsewhere", 4)
    (root / "c").symlink_to(tmp_path / "elsewhere")
    (root / "a" / "linked.png").symlink_to(tmp_path / "elsewhere" / "0.png")
    (tmp_path / "elsewhere" / "back").symlink_to(root)
    scan = scan_folder(root)
    assert scan.counts == {"a": 7, "b": 6, "c": 4}
    assert f"links to files outside of {root}: 1" in told(scan)
    assert "a loop" in told(scan)


def test_what_is_left_out_is_kept_with_the_split(tmp_path: Path) -> None:
    root = classes(tmp_path / "images")
    (root / "a" / "gone.png").symlink_to("nowhere.png")
    (root / "a" / "notes.txt").write_text("")
    origin = split(scan_folder(root)).origin
    assert origin is not None
    assert origin.left_out == (
        "left out a/gone.png (1 file): a broken link, to nowhere.png",
        "skipped a/notes.txt: not an image file (.txt)",
    )


def test_images_without_classes_are_for_generators_alone(tmp_path: Path) -> None:
    root = images(tmp_path / "leaves", 6)
    with pytest.raises(UserError, match="no class folders"):
        scan_folder(root)
    scan = scan_folder(root, classes_needed=False)
    assert scan.counts == {"leaves": 6}
    assert {row.side for row in split(scan, classes_needed=False).rows} == {
        "train", "validation", "test",
    }  # fmt: skip


def test_one_class_folder_is_for_generators_alone(tmp_path: Path) -> None:
    images(tmp_path / "rust", 6)
    with pytest.raises(UserError, match="only one class folder") as raised:
        scan_folder(tmp_path)
    assert "generators need no classes" in raised.value.fix
    assert scan_folder(tmp_path, classes_needed=False).counts == {"rust": 6}


@pytest.mark.parametrize("place", ["{}/x", "set/{}/x/y", "{}"])
def test_any_folder_of_images_will_do_for_a_generator(place: str, tmp_path: Path) -> None:
    for number in range(6):
        image(tmp_path / place.format(number) / "0.png")
    scan = scan_folder(tmp_path, classes_needed=False)
    assert len(scan.images) == 6
    manifest = split(scan, classes_needed=False)
    assert manifest.side("train")
    assert manifest.side("test")


def test_sides_without_classes_are_kept_for_a_generator(tmp_path: Path) -> None:
    images(tmp_path / "train", 6)
    images(tmp_path / "test", 2)
    with pytest.raises(UserError, match="without class folders in them"):
        scan_folder(tmp_path)
    manifest = split(scan_folder(tmp_path, classes_needed=False), classes_needed=False)
    assert len(manifest.side("test")) == 2
    assert len(manifest.side("validation")) == 1


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    for needed in (True, False):
        with pytest.raises(UserError, match=r"no class folders in .*, and no images"):
            scan_folder(tmp_path, classes_needed=needed)


@pytest.mark.parametrize("names", [("train", "test", "bus"), ("training day", "a")])
def test_classes_may_have_the_names_of_sides(names: tuple[str, ...], tmp_path: Path) -> None:
    scan = scan_folder(classes(tmp_path, names))
    assert set(scan.counts) == set(names)
    assert scan.sides == {}


def test_a_given_side_is_no_class(tmp_path: Path) -> None:
    sides(tmp_path, train=6)
    images(tmp_path / "test", 3)
    scan = scan_folder(tmp_path)
    assert scan.counts == {"a": 6, "b": 6}
    assert scan.sides == {}
    assert "left out test/ (3 files): images without class folders" in told(scan)


def test_a_folder_of_documents_beside_the_classes_is_no_class(tmp_path: Path) -> None:
    classes(tmp_path)
    (tmp_path / "Annotations").mkdir()
    (tmp_path / "Annotations" / "1.xml").write_text("")
    scan = scan_folder(tmp_path)
    assert scan.counts == {"a": 6, "b": 6}
    assert "left out Annotations/ (1 file): holds no image" in told(scan)


def test_a_class_of_pictures_that_cannot_be_read_is_not_left_out(tmp_path: Path) -> None:
    classes(tmp_path)
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "1.heic").write_bytes(b"ftypheic")
    with pytest.raises(UserError, match=r"class c has no usable image .*not an image file"):
        scan_folder(tmp_path)


def test_a_class_of_broken_links_says_so(tmp_path: Path) -> None:
    classes(tmp_path)
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "1.png").symlink_to("/nowhere/1.png")
    with pytest.raises(UserError, match=r"class c has no usable image .*a broken link"):
        scan_folder(tmp_path)


def test_folders_a_hundred_levels_deep_are_left_out(tmp_path: Path) -> None:
    root = classes(tmp_path / "images")
    deep = root / "a" / "/".join(["d"] * 150)
    deep.mkdir(parents=True)
    scan = scan_folder(root)
    assert scan.counts == {"a": 6, "b": 6}
    assert "more than 100 folders deep" in told(scan)


def test_classes_too_small_to_divide_are_named_together(tmp_path: Path) -> None:
    classes(tmp_path)
    images(tmp_path / "one", 1)
    images(tmp_path / "two", 2)
    with pytest.raises(UserError, match=r"class one has 1 image .*; class two has 2 images"):
        split(scan_folder(tmp_path))


def test_classes_that_groups_leave_nothing_of_are_told_why(tmp_path: Path) -> None:
    scan = scan_folder(classes(tmp_path / "data"))
    rows = "".join(
        f"{name}/{number}.png,patient {number}\n" for name in "ab" for number in range(6)
    )
    (tmp_path / "groups.csv").write_text(f"path,group\n{rows}")
    with pytest.raises(UserError, match="6 of them in one group with"):
        split(scan, groups_file=tmp_path / "groups.csv")


def test_class_folders_without_an_image_are_named_together(tmp_path: Path) -> None:
    classes(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "video").mkdir()
    (tmp_path / "video" / "x.mp4").write_text("")
    with pytest.raises(UserError, match=r"class empty has no .*; class video has no usable image"):
        scan_folder(tmp_path)


@pytest.mark.parametrize("suffix", [".jfif", ".JPE"])
def test_other_suffixes_of_jpeg_are_read(suffix: str, tmp_path: Path) -> None:
    classes(tmp_path)
    (tmp_path / "a" / "0.png").rename(tmp_path / "a" / f"0{suffix}")
    assert scan_folder(tmp_path).counts == {"a": 6, "b": 6}


def test_a_folder_without_images_is_told_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "set.zip").write_bytes(b"PK")
    images(tmp_path / "__MACOSX" / "a", 2)
    with pytest.raises(UserError, match=r"it holds 1 x \.zip, __MACOSX/ \(left out\)") as raised:
        scan_folder(tmp_path)
    assert "unpack the archive" in raised.value.fix


def test_of_many_classes_that_are_too_small_the_first_are_named(tmp_path: Path) -> None:
    classes(tmp_path)
    for number in range(15):
        images(tmp_path / f"person {number:02d}", 1)
    with pytest.raises(UserError, match=r"class person 11 has .*; and 3 more \("):
        split(scan_folder(tmp_path))


@pytest.mark.parametrize("name", ["a - Copy", "a (1)", "a copy", "a - Kopie (2)", "Copy of a"])
def test_a_copied_class_folder_is_left_out(name: str, tmp_path: Path) -> None:
    classes(tmp_path)
    shutil.copytree(tmp_path / "a", tmp_path / name)
    scan = scan_folder(tmp_path)
    assert scan.counts == {"a": 6, "b": 6}
    assert f"left out {name}/ (6 files): a copy of a/" in told(scan)


def test_a_folder_that_is_named_as_a_copy_and_holds_more_is_a_class(tmp_path: Path) -> None:
    classes(tmp_path)
    shutil.copytree(tmp_path / "a", tmp_path / "a (1)")
    image(tmp_path / "a (1)" / "new.png")
    assert set(scan_folder(tmp_path).counts) == {"a", "a (1)", "b"}


def test_a_copied_folder_of_a_side_is_left_out(tmp_path: Path) -> None:
    sides(tmp_path, train=6, test=3)
    shutil.copytree(tmp_path / "test", tmp_path / "test - Copy")
    scan = scan_folder(tmp_path)
    assert scan.counts == {"a": 9, "b": 9}
    assert "left out test - Copy/ (6 files): a copy of test/" in told(scan)


def test_pictures_beside_a_folder_of_sides_are_no_class(tmp_path: Path) -> None:
    sides(tmp_path / "dataset", train=6, test=3)
    images(tmp_path / "samples", 4)
    scan = scan_folder(tmp_path)
    assert scan.counts == {"a": 9, "b": 9}
    assert set(scan.sides) == {"train", "test"}
    assert "left out samples/ (4 files): images without class folders" in told(scan)


@pytest.mark.parametrize("folders", [("images",), ("",), ("train", "test")])
def test_labels_in_a_table_are_said_not_to_be_read(
    folders: tuple[str, ...], tmp_path: Path
) -> None:
    for name in folders:
        images(tmp_path / name, 4)
    (tmp_path / "labels.csv").write_text("image,labels\n")
    with pytest.raises(UserError) as raised:
        scan_folder(tmp_path)
    assert "labels in a table (labels.csv) are not read" in raised.value.fix
