"""A file that says which images belong together: read, and matched with the images of a folder.

What it does not say is counted and named, since a proof by groups is worth what they cover.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from leafgate.class_names import class_name
from leafgate.errors import UserError
from leafgate.file_names import path_text
from leafgate.tables import read_table
from leafgate.wording import named
from training.data.folder import FolderScan, FoundImage
from training.data.named_images import find_images

LEAF_MAP = ".json"
FIX = "write CSV with the columns path and group, or give PlantVillage's leaf-map.json"


@dataclass(frozen=True)
class NamedGroup:
    """A row of the file. place: where in it, for messages."""

    path: str
    group: str
    place: str


@dataclass(frozen=True)
class FoundGroups:
    """Which group each image is in, as the file says.

    groups: by the image's place in the scan. unmatched_rows: paths that mean no image of the
    folder, or more than one; unmatched_images: paths of images that no row gives a group; loose:
    pairs of a row's path and the image that it is taken for, where they are written differently.
    """

    file: Path
    groups: dict[int, str]
    rows: int
    images: int
    unmatched_rows: tuple[str, ...]
    unmatched_images: tuple[str, ...]
    loose: tuple[tuple[str, str], ...]

    @property
    def is_to_name_all(self) -> bool:
        """Whether an image without a group is a gap: PlantVillage's map never had all images."""
        return self.file.suffix.lower() != LEAF_MAP

    @property
    def pairs(self) -> Iterator[tuple[int, int]]:
        """Places of images that are in one group, each with the next."""
        members: dict[str, list[int]] = defaultdict(list)
        for place, group in self.groups.items():
            members[group].append(place)
        for places in members.values():
            yield from pairwise(sorted(places))

    def lines(self) -> list[str]:
        """What a person should know; nothing where every row and every image has its match."""
        told = []
        if self.unmatched_rows:
            told.append(
                f"{len(self.unmatched_rows)} of {self.rows} rows of {self.file} name no image of "
                f"the folder: {named(self.unmatched_rows)}"
            )
        if self.unmatched_images:
            told.append(
                f"{len(self.unmatched_images)} of {self.images} images have no group in "
                f"{self.file}, names and looks alone group them: {named(self.unmatched_images)}"
            )
        if self.loose:
            path, image = self.loose[0]
            told.append(
                f"{len(self.loose)} rows of {self.file} write a path in another way than the "
                f"folder does: {path} is taken for {image}"
            )
        return told


def find_groups(scan: FolderScan, file: Path) -> FoundGroups:
    """Read a CSV file with the columns path and group, or PlantVillage's leaf-map.json.

    Raises UserError for a file that cannot be read, names none of the images, or puts one image
    into two groups.
    """
    if not file.is_file():
        raise UserError(f"no file of groups {file}", "check the path given to --groups")
    if file.suffix.lower() == LEAF_MAP:
        found = _from_leaf_map(scan.images, file)
    else:
        found = _from_table(scan, file)
    if not found.groups:
        raise UserError(
            f"{file} names none of the {len(scan.images)} images",
            f"its paths are to be relative to the data folder, as in {scan.images[0].path}"
            + (f"; its first is {found.unmatched_rows[0]}" if found.unmatched_rows else ""),
        )
    return found


def _from_table(scan: FolderScan, file: Path) -> FoundGroups:
    rows = [
        NamedGroup(row.cells["path"], row.cells["group"].strip(), f"line {row.line}")
        for row in read_table(file, ("path", "group"), FIX)
    ]
    paths = [image.path for image in scan.images]
    found = find_images([row.path for row in rows], paths, scan.root)
    said: dict[int, NamedGroup] = {}
    for number, place in found.places.items():
        row = rows[number]
        if row.group and said.setdefault(place, row).group != row.group:
            raise UserError(
                f"{file} puts {paths[place]} into group {said[place].group} ({said[place].place}) "
                f"and into group {row.group} ({row.place})",
                "remove the wrong row, or give both groups one name",
            )
    return FoundGroups(
        file,
        {place: row.group for place, row in said.items()},
        len(rows),
        len(paths),
        tuple(path_text(rows[number].path) for number in found.unknown),
        tuple(path for place, path in enumerate(paths) if place not in said),
        tuple((path_text(rows[n].path), paths[found.places[n]]) for n in found.loose),
    )


def _from_leaf_map(images: Sequence[FoundImage], file: Path) -> FoundGroups:
    """{"rs_hl 9816": ["Tomato___healthy:::207.0"]}: series and shot, to class and leaf."""
    try:
        leaf_of = {
            f"{class_name(leaf.split(':::')[0])}/{shot.lower()}": leaf
            for shot, leaves in json.loads(file.read_bytes().decode("utf-8-sig")).items()
            for leaf in leaves
        }
    except (ValueError, AttributeError, TypeError, OSError) as error:
        raise UserError(f"{file} is no file of groups ({error})", FIX) from None
    names = [_shot_name(image) for image in images]
    there = set(names)
    groups = {place: leaf_of[name] for place, name in enumerate(names) if name in leaf_of}
    return FoundGroups(
        file,
        groups,
        len(leaf_of),
        len(images),
        tuple(name for name in leaf_of if name not in there),
        tuple(image.path for place, image in enumerate(images) if place not in groups),
        (),
    )


def _shot_name(image: FoundImage) -> str:
    name = image.path.rsplit("/", 1)[-1].rsplit(".", 1)[0]
    return f"{image.class_name}/{name.split('___', 1)[-1].lower()}"
