"""Train, validation and test sides: stratified by class, whole leaf groups only, seeded.

A group (copies, near copies, shots of one leaf) is never divided, so no test image was learnt
from. The split depends on the files and the seed alone, not on the order they are listed in.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from leafgate.errors import UserError
from leafgate.manifest import SIDES, Manifest, ManifestRow, Side
from training.data.folder import FolderScan, FoundImage
from training.data.leaf_groups import Group, group_name, leaf_groups

Ratios = tuple[float, float, float]


def parse_ratios(text: str) -> Ratios:
    """`70/15/15` or `0.8/0.1/0.1` as shares of train, validation and test."""
    fix = "write train/validation/test, as in 70/15/15 or 80/10/10"
    try:
        parts = [float(part) for part in text.split("/")]
    except ValueError:
        raise UserError(f"ratios {text!r} are not numbers", fix) from None
    total = sum(parts)
    if len(parts) != 3 or min(parts) <= 0 or not any(abs(total - w) < 1e-6 for w in (1, 100)):
        raise UserError(f"ratios {text!r} are not three positive parts of 100", fix)
    return parts[0] / total, parts[1] / total, parts[2] / total


def split(
    scan: FolderScan,
    ratios: Ratios = (0.70, 0.15, 0.15),
    seed: int = 0,
    groups_file: Path | None = None,
) -> Manifest:
    """Put every image on one side. groups_file: see `leaf_groups`.

    Raises UserError where a class has too few groups to be on each side, or the same picture is
    filed under two classes.
    """
    _refuse_two_labels(scan)
    by_class: dict[str, list[Group]] = defaultdict(list)
    for group in leaf_groups(scan, groups_file):
        by_class[_class_of(group)].append(group)
    rows: list[ManifestRow] = []
    for number, class_name in enumerate(scan.counts):
        groups = sorted(by_class[class_name], key=group_name)
        _refuse_too_few(class_name, scan.counts[class_name], len(groups))
        rng = np.random.default_rng([seed, number])
        order = [groups[i] for i in rng.permutation(len(groups))]
        for side, group in _shared_out(order, ratios):
            name = group_name(group)
            rows += [ManifestRow(i.path, i.class_name, side, name, i.sha256) for i in group]
    return Manifest(scan.root, tuple(sorted(rows)))


def _class_of(group: Group) -> str:
    """The class of most of its images; near copies may be filed under two."""
    counts = Counter(image.class_name for image in group)
    return min(counts, key=lambda name: (-counts[name], name))


def _shared_out(order: Sequence[Group], ratios: Ratios) -> list[tuple[Side, Group]]:
    """Each group to the side that lacks most of its share, large groups first; each side has one.

    Large first, so that small ones are left to even out the sides.
    """
    by_size = sorted(order, key=len, reverse=True)
    total = sum(len(group) for group in order)
    lacking = dict(zip(SIDES, (share * total for share in ratios), strict=True))
    placed: list[tuple[Side, Group]] = []
    for position, group in enumerate(by_size):
        empty = [side for side in SIDES if side not in {side for side, _ in placed}]
        forced = len(by_size) - position <= len(empty)
        side = max(empty if forced else SIDES, key=lambda name: lacking[name])
        lacking[side] -= len(group)
        placed.append((side, group))
    return placed


def _refuse_too_few(class_name: str, images: int, groups: int) -> None:
    if groups < len(SIDES):
        raise UserError(
            f"class {class_name} has {images} images that show {groups} different things "
            "(copies and shots of one leaf count once)",
            f"a split into {', '.join(SIDES)} needs at least {len(SIDES)}: add images, or tell "
            "with --groups which belong together",
        )


def _refuse_two_labels(scan: FolderScan) -> None:
    seen: dict[str, FoundImage] = {}
    for image in scan.images:
        other = seen.setdefault(image.sha256, image)
        if other.class_name != image.class_name:
            raise UserError(
                f"{other.path} and {image.path} are the same picture under two classes",
                "remove the one that is labelled wrongly",
            )
