"""Leaf groups: images that must stay on one side of a split, since they show the same thing.

Joined are files with the same bytes, near copies (perceptual hash), and shots of one leaf as
PlantVillage's names tell them. A file of one's own (patients, plots, leaves) replaces the names
of the images that it has.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from leafgate.progress import tell
from training.data.folder import FolderScan, FoundImage
from training.data.group_files import FoundGroups, find_groups
from training.data.near_duplicates import joined, near_pairs
from training.data.shots import same_leaf_pairs

Group = list[FoundImage]
Pairs = Iterable[tuple[int, int]]


def leaf_groups(scan: FolderScan, file: Path | None = None) -> list[Group]:
    """Every image in exactly one group, groups and members in path order.

    file: CSV with the columns `path` and `group`, or PlantVillage's `leaf-map.json`; a warning
    counts its rows and the images that have no match. Raises UserError for a file that does not
    name the images.
    """
    found = find_groups(scan, file) if file else None
    for line in found.lines() if found else ():
        tell(f"warning: {line}")
    return groups_by(scan, found)


def groups_by(scan: FolderScan, found: FoundGroups | None) -> list[Group]:
    """`leaf_groups` with the groups of a file that was read already; None: without a file."""
    images = scan.images
    unnamed = [place for place in range(len(images)) if not found or place not in found.groups]
    by_name = same_leaf_pairs([images[place] for place in unnamed])
    known = [*(found.pairs if found else ()), *((unnamed[a], unnamed[b]) for a, b in by_name)]
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
