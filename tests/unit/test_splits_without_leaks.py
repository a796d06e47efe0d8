"""Train, validation and test: every image on one side, copies together, the same for a seed."""

from dataclasses import replace
from pathlib import Path

import pytest

from leafgate.errors import UserError
from leafgate.manifest import SIDES
from tests.looks import some_look
from training.data.folder import FolderScan, FoundImage
from training.data.split import parse_ratios, split


def scan_of(counts: dict[str, int], copies: int = 1) -> FolderScan:
    """A scan as if read: each picture there `copies` times."""
    images = [
        FoundImage(
            f"{name}/{number:04d}-{copy}.jpg",
            name,
            f"{number:08d}{name}".ljust(64, "0"),
            some_look(name, number),
        )
        for name, count in counts.items()
        for number in range(count)
        for copy in range(copies)
    ]
    return FolderScan(Path("data"), tuple(images), ())


@pytest.mark.parametrize("text", ["70/15/15", "80/10/10", "0.7/0.15/0.15"])
def test_sides_have_their_shares_of_every_class(text: str) -> None:
    ratios = parse_ratios(text)
    manifest = split(scan_of({"a": 200, "b": 1000}), ratios)
    assert len(manifest.rows) == 1200
    for name, count in {"a": 200, "b": 1000}.items():
        for side, share in zip(SIDES, ratios, strict=True):
            there = sum(row.class_name == name for row in manifest.side(side))
            assert there == pytest.approx(share * count, abs=1)


def test_no_image_and_no_copy_is_on_two_sides() -> None:
    manifest = split(scan_of({"a": 40, "b": 30}, copies=3))
    assert manifest.groups_on_two_sides() == ()
    assert len({row.path for row in manifest.rows}) == len(manifest.rows) == 210


def test_the_split_follows_from_the_seed_and_not_from_the_order_of_files() -> None:
    scan = scan_of({"a": 50, "b": 50})
    shuffled = replace(scan, images=tuple(reversed(scan.images)))
    assert split(scan, seed=3).digest == split(shuffled, seed=3).digest
    assert split(scan, seed=3).digest != split(scan, seed=4).digest


@pytest.mark.parametrize("count", [3, 4, 5, 7])
def test_even_a_tiny_class_is_on_every_side(count: int) -> None:
    manifest = split(scan_of({"tiny": count, "b": 50}))
    for side in SIDES:
        assert any(row.class_name == "tiny" for row in manifest.side(side))


def test_a_class_that_cannot_be_divided_is_named() -> None:
    with pytest.raises(UserError, match="class tiny has 2 images that show 2 different"):
        split(scan_of({"tiny": 2, "b": 50}))
    with pytest.raises(UserError, match="class tiny has 5 images that show 1 different"):
        split(scan_of({"tiny": 1, "b": 50}, copies=5))


@pytest.mark.parametrize("text", ["70/30", "a/b/c", "90/10/10", "100/0/0", "", "-10/55/55"])
def test_ratios_that_make_no_sense_are_refused_with_an_example(text: str) -> None:
    with pytest.raises(UserError, match="ratios") as raised:
        parse_ratios(text)
    assert "70/15/15" in raised.value.fix
