"""What belongs together stays together: shots of one leaf, copies however they were made."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from leafgate.errors import UserError
from leafgate.manifest import SIDES, Manifest, ManifestRow
from tests.looks import some_look
from training.data.folder import FolderScan, FoundImage, scan_folder
from training.data.leaf_groups import leaf_groups
from training.data.leaks import find_leaks
from training.data.near_duplicates import near_duplicate_groups
from training.data.shots import MAX_CHAIN
from training.data.split import split

UUID = "00a6039c-e425-4f7d-81b1-d6b0e668517e"


def shots(*names: str, class_name: str = "rust") -> FolderScan:
    images = [
        FoundImage(f"{class_name}/{UUID}___{name}", class_name, name.ljust(64), some_look(name))
        for name in names
    ]
    return FolderScan(Path("data"), tuple(images), ())


def grouped(scan: FolderScan, file: Path | None = None) -> set[frozenset[str]]:
    groups = leaf_groups(scan, file)
    return {frozenset(i.path.rsplit("___", 1)[-1] for i in group) for group in groups}


def picture(seed: int, size: int = 96) -> Image.Image:
    """Texture at every scale, as in a photograph."""
    rng = np.random.default_rng(seed)
    layers = [
        np.asarray(
            Image.fromarray(rng.integers(0, 255, (cells, cells, 3)).astype(np.uint8)).resize(
                (size, size), Image.Resampling.BICUBIC
            ),
            np.float32,
        )
        for cells in (3, 6, 12, 24, 48)
    ]
    return Image.fromarray((sum(layers[1:], layers[0]) / len(layers)).astype(np.uint8))


def test_neighbouring_shots_of_a_series_are_one_leaf() -> None:
    scan = shots("RS_HL 1864.JPG", "RS_HL 1866.JPG", "RS_HL 1869.JPG", "RS_HL 1880.JPG")
    assert grouped(scan) == {
        frozenset({"RS_HL 1864.JPG", "RS_HL 1866.JPG", "RS_HL 1869.JPG"}),
        frozenset({"RS_HL 1880.JPG"}),
    }


def test_other_series_with_the_same_numbers_are_other_leaves() -> None:
    assert len(grouped(shots("RS_HL 1864.JPG", "JR_HL 1865.JPG", "GHLB2 Leaf 1865.JPG"))) == 3


def test_numbers_of_leaves_are_taken_as_such() -> None:
    scan = shots(
        "GH_HL Leaf 320.JPG", "GH_HL Leaf 320.2.JPG", "GH_HL Leaf 321.JPG", "CG1.JPG",
        "GHLB_PS Leaf 1.5 Day 13.jpg", "GHLB_PS Leaf 1 Day 13.jpg",
    )  # fmt: skip
    assert {frozenset(sorted(group)) for group in grouped(scan) if len(group) > 1} == {
        frozenset({"GH_HL Leaf 320.JPG", "GH_HL Leaf 320.2.JPG"}),
        frozenset({"GHLB_PS Leaf 1.5 Day 13.jpg", "GHLB_PS Leaf 1 Day 13.jpg"}),
    }


def test_a_series_without_gaps_is_cut_so_that_it_can_be_split() -> None:
    groups = leaf_groups(shots(*(f"RS_HL {number}.JPG" for number in range(1000, 1200))))
    assert len(groups) >= 200 / MAX_CHAIN
    assert max(map(len, groups)) <= MAX_CHAIN


def test_counted_names_of_other_sets_say_nothing() -> None:
    images = [
        FoundImage(f"rust/img {n}.jpg", "rust", f"{n}".ljust(64), some_look(n))
        for n in range(1000, 1010)
    ]
    assert len(leaf_groups(FolderScan(Path("data"), tuple(images), ()))) == 10


@pytest.mark.parametrize(
    "change",
    [
        lambda image: image.resize((60, 60)),
        lambda image: ImageEnhance.Brightness(image).enhance(1.1),
        lambda image: image.transpose(Image.Transpose.ROTATE_90),
        lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        lambda image: image.transpose(Image.Transpose.TRANSVERSE),
    ],
    ids=["scaled", "brighter", "turned", "mirrored", "mirrored and turned"],
)
def test_a_changed_copy_is_found_and_stays_with_the_original(
    change: Callable[[Image.Image], Image.Image], tmp_path: Path
) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for number in range(8):
            picture(number + 100 * (name == "b")).save(tmp_path / name / f"{number}.png")
    change(picture(3)).save(tmp_path / "a" / "copy.jpg", quality=70)
    scan = scan_folder(tmp_path)
    assert near_duplicate_groups(scan) == [("a/3.png", "a/copy.jpg")]
    for seed in range(5):
        sides = {row.path: row.side for row in split(scan, seed=seed).rows}
        assert sides["a/3.png"] == sides["a/copy.jpg"]


def test_plain_pictures_of_one_colour_are_no_copies(tmp_path: Path) -> None:
    for name, colour in (("a", "green"), ("b", "brown")):
        (tmp_path / name).mkdir()
        for number in range(4):
            image = Image.new("RGB", (40, 40), colour)
            image.putpixel((number, number), (0, 0, 0))
            image.save(tmp_path / name / f"{number}.png")
    assert near_duplicate_groups(scan_folder(tmp_path)) == []


def test_a_file_of_groups_replaces_the_names(tmp_path: Path) -> None:
    scan = shots("RS_HL 1864.JPG", "RS_HL 1865.JPG", "RS_HL 1990.JPG")
    patients = tmp_path / "patients.csv"
    rows = [f"{image.path},{who}" for image, who in zip(scan.images, "pqp", strict=True)]
    patients.write_text("path,group\n" + "\n".join(rows))
    assert grouped(scan, patients) == {
        frozenset({"RS_HL 1864.JPG", "RS_HL 1990.JPG"}),
        frozenset({"RS_HL 1865.JPG"}),
    }
    leaf_map = tmp_path / "leaf-map.json"
    leaves = {"rs_hl 1864": ["rust:::1.0"], "rs_hl 1865": ["rust:::2.0", "other:::9.0"]}
    leaf_map.write_text(json.dumps(leaves | {"rs_hl 1990": ["rust:::2.0"]}))
    assert frozenset({"RS_HL 1865.JPG", "RS_HL 1990.JPG"}) in grouped(scan, leaf_map)


@pytest.mark.parametrize("text", ["path,patient\nx,1", "path,group\nnowhere.jpg,1", ""])
def test_a_file_of_groups_that_does_not_fit_is_refused(text: str, tmp_path: Path) -> None:
    file = tmp_path / "groups.csv"
    file.write_text(text)
    with pytest.raises(UserError, match=r"groups.csv"):
        leaf_groups(shots("RS_HL 1864.JPG"), file)


def test_a_split_of_shots_has_no_leak_and_a_random_one_is_caught() -> None:
    leaves = [range(start, start + 4) for start in range(1000, 1600, 20)]
    rust = shots(*(f"RS_HL {number}.JPG" for leaf in leaves for number in leaf))
    blight = shots(*(f"RS_LB {n}.JPG" for n in range(2000, 2900, 30)), class_name="blight")
    two = FolderScan(rust.root, (*rust.images, *blight.images), ())
    sound = split(two)
    report = find_leaks(two, sound)
    assert not report.leaks
    assert not report.unknown
    assert report.manifest_digest == sound.digest
    random = Manifest(
        two.root,
        tuple(
            ManifestRow(i.path, i.class_name, SIDES[n % 3], i.sha256[:16], i.sha256)
            for n, i in enumerate(two.images)
        ),
    )
    assert not random.groups_on_two_sides()
    leaky = find_leaks(two, random)
    assert len(leaky.leaks) == 30
    assert "30 of them on two sides" in leaky.lines()[0]
