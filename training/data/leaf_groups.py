"""Leaf groups: images that must stay on one side of a split, since they show the same thing.

Joined are files with the same bytes, near copies (perceptual hash), and shots of one leaf as
PlantVillage's names tell them. A file of one's own (patients, plots, leaves) replaces the names.
"""

import csv
import itertools
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from leafgate.errors import UserError
from training.data.folder import FolderScan, FoundImage
from training.data.near_duplicates import joined, near_pairs
from training.data.shots import same_leaf_pairs

Group = list[FoundImage]
Pairs = Iterable[tuple[int, int]]


def leaf_groups(scan: FolderScan, file: Path | None = None) -> list[Group]:
    """Every image in exactly one group, groups and members in path order.

    file: CSV with the columns `path` and `group`, or PlantVillage's `leaf-map.json`. Raises
    UserError for a file that does not name the images.
    """
    images = scan.images
    known = named_pairs(images, read_groups(file), file) if file else same_leaf_pairs(images)
    pairs = [*known, *_same_bytes(images), *near_pairs([image.look for image in images])]
    return [[images[i] for i in group] for group in joined(len(images), pairs)]


def group_name(group: Group) -> str:
    """The same for the same pictures, whatever their files are called."""
    return min(image.sha256 for image in group)[:16]


def _same_bytes(images: Sequence[FoundImage]) -> Iterator[tuple[int, int]]:
    first: dict[str, int] = {}
    for index, image in enumerate(images):
        if index != first.setdefault(image.sha256, index):
            yield first[image.sha256], index


def read_groups(file: Path) -> dict[str, str]:
    """From an image's name to its group. Raises UserError where the file cannot be used."""
    if not file.is_file():
        raise UserError(f"no file of groups {file}", "check the path given to --groups")
    try:
        text = file.read_text(encoding="utf-8")
        return _from_leaf_map(text) if file.suffix.lower() == ".json" else _from_csv(text)
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise UserError(
            f"{file} is no file of groups ({error!r})",
            "write CSV with the columns path and group, or give PlantVillage's leaf-map.json",
        ) from None


def _from_csv(text: str) -> dict[str, str]:
    return {row["path"]: row["group"] for row in csv.DictReader(text.splitlines())}


def _from_leaf_map(text: str) -> dict[str, str]:
    """{"rs_hl 9816": ["Tomato___healthy:::207.0"]}: series and shot, to class and leaf."""
    return {
        f"{leaf.split(':::')[0]}/{shot}": leaf
        for shot, leaves in json.loads(text).items()
        for leaf in leaves
    }


def named_pairs(
    images: Sequence[FoundImage], groups: dict[str, str], file: Path
) -> Iterator[tuple[int, int]]:
    """Pairs of images that `groups` puts together. Raises UserError where it names none."""
    members: dict[str, list[int]] = defaultdict(list)
    for index, image in enumerate(images):
        group = groups.get(image.path) or groups.get(_shot_name(image))
        if group:
            members[group].append(index)
    if not members:
        raise UserError(
            f"{file} names none of the {len(images)} images",
            f"its paths are to be relative to the data folder, as in {images[0].path}",
        )
    for indices in members.values():
        yield from itertools.pairwise(indices)


def _shot_name(image: FoundImage) -> str:
    name = image.path.rsplit("/", 1)[-1].rsplit(".", 1)[0]
    return f"{image.class_name}/{name.split('___', 1)[-1].lower()}"
