"""Masks that lie with the images are left out by name; a class of its own name is not."""

import shutil
from pathlib import Path

import pytest

from tests.folders import classes, image, images
from training.data.folder import scan_folder


@pytest.mark.parametrize(
    "name", ["{}_mask", "{}_mask_1", "{} Mask", "{}_segmentation", "{}_GroundTruth"]
)
def test_a_mask_beside_its_image_is_left_out(name: str, tmp_path: Path) -> None:
    root = classes(tmp_path, ("benign", "malignant"))
    for folder in ("benign", "malignant"):
        for number in range(6):
            image(root / folder / f"{name.format(number)}.png")
    scan = scan_folder(root)
    assert scan.counts == {"benign": 6, "malignant": 6}
    assert "(12 files): named as the mask of the image beside it" in scan.summary()


def test_a_mask_without_its_image_is_an_image(tmp_path: Path) -> None:
    root = classes(tmp_path)
    image(root / "a" / "x_mask.png")
    assert scan_folder(root).counts == {"a": 7, "b": 6}


def test_images_and_masks_in_each_class(tmp_path: Path) -> None:
    for name in ("covid", "normal"):
        images(tmp_path / name / "images", 6)
        images(tmp_path / name / "masks", 6)
    scan = scan_folder(tmp_path)
    assert scan.counts == {"covid": 6, "normal": 6}
    assert "left out covid/masks/ (6 files): named as the masks of the images" in scan.summary()


def test_images_and_masks_with_the_classes_in_them(tmp_path: Path) -> None:
    classes(tmp_path / "images")
    classes(tmp_path / "masks")
    scan = scan_folder(tmp_path)
    assert scan.counts == {"a": 6, "b": 6}
    assert all(found.path.startswith("images/") for found in scan.images)


def test_ground_truth_beside_the_classes(tmp_path: Path) -> None:
    classes(tmp_path)
    for number in range(6):
        image(tmp_path / "GroundTruth" / f"{number}_segmentation.png")
    assert scan_folder(tmp_path).counts == {"a": 6, "b": 6}


def test_people_with_and_without_masks_are_two_classes(tmp_path: Path) -> None:
    classes(tmp_path, ("mask", "no_mask"))
    shutil.copytree(classes(tmp_path / "two", ("masks", "faces")), tmp_path / "more")
    assert scan_folder(tmp_path / "more").counts == {"faces": 6, "masks": 6}
    shutil.rmtree(tmp_path / "two")
    shutil.rmtree(tmp_path / "more")
    assert scan_folder(tmp_path).counts == {"mask": 6, "no_mask": 6}
