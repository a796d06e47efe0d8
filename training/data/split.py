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
from leafgate.split_origin import SplitOrigin
from training.config import OnConflict
from training.data.conflicts import Conflict, find_conflicts, refuse
from training.data.folder import FolderScan
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
    conflicts: OnConflict = "exclude",
) -> Manifest:
    """Put every image on one side. groups_file: see `leaf_groups`.

    conflicts: whether pictures that are filed under more than one class are left out of every
    side, or refused. Raises UserError for the latter, and where a class has too few groups to be
    on each side.
    """
    found = find_conflicts(scan)
    if conflicts == "error":
        refuse(found)
    by_class: dict[str, list[Group]] = defaultdict(list)
    for group in _without(found, leaf_groups(scan, groups_file)):
        by_class[_class_of(group)].append(group)
    excluded = Counter(name for conflict in found for name in conflict.classes)
    rows: list[ManifestRow] = []
    for number, (class_name, images) in enumerate(scan.counts.items()):
        groups = sorted(by_class[class_name], key=group_name)
        _refuse_too_few(class_name, images, len(groups), excluded[class_name])
        rng = np.random.default_rng([seed, number])
        order = [groups[i] for i in rng.permutation(len(groups))]
        for side, group in _shared_out(order, ratios):
            name = group_name(group)
            rows += [ManifestRow(i.path, i.class_name, side, name, i.sha256) for i in group]
    origin = SplitOrigin(conflicts=tuple(conflict.paths for conflict in found))
    return Manifest(scan.root, tuple(sorted(rows)), origin)


def _without(conflicts: Sequence[Conflict], groups: Sequence[Group]) -> list[Group]:
    """The groups without the files of conflicts; what belonged together still does."""
    left_out = {path for conflict in conflicts for path in conflict.paths}
    kept = ([image for image in group if image.path not in left_out] for group in groups)
    return [group for group in kept if group]


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


def _refuse_too_few(class_name: str, images: int, groups: int, excluded: int) -> None:
    if groups >= len(SIDES):
        return
    left = (
        f", {excluded} of them filed under another class too; the {images - excluded} others show"
        if excluded
        else " that show"
    )
    raise UserError(
        f"class {class_name} has {images} images{left} {groups} different things "
        "(copies and shots of one leaf count once)",
        f"a split into {', '.join(SIDES)} needs at least {len(SIDES)}: "
        + ("decide which class is right, or " if excluded else "")
        + "add images, or tell with --groups which belong together",
    )
