"""Train, validation and test sides: stratified by class, whole leaf groups only, seeded.

A group (copies, near copies, shots of one leaf) is never divided, so no test image was learnt
from. The split depends on the files and the seed alone, not on the order they are listed in.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from leafgate.errors import UserError
from leafgate.manifest import SIDES, Manifest, ManifestRow, Side
from leafgate.split_origin import SplitOrigin
from leafgate.wording import counted, listed
from training.config import OnConflict
from training.data.conflicts import Conflict, find_conflicts, refuse
from training.data.folder import FolderScan
from training.data.given_sides import ShareOut, Shares, keep_given
from training.data.leaf_groups import Group, group_name, leaf_groups

Ratios = tuple[float, float, float]
MORE = (
    f"a split into {', '.join(SIDES)} needs at least {len(SIDES)}: add images, or tell with "
    "--groups which belong together"
)


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
    resplit: bool = False,
    classes_needed: bool = True,
) -> Manifest:
    """Put every image on one side, or keep the sides that the folders give.

    Parameters
    ----------
    scan
        The images.
    ratios
        Shares of train, validation and test; of sides that are given, only a lacking one is made.
    seed
        The same gives the same sides.
    groups_file
        See `leaf_groups`.
    conflicts
        Whether pictures that are filed under more than one class are left out of every side, or
        refused.
    resplit
        Divide all images, also where the folders give sides.
    classes_needed
        False, for a generator that learns no classes: those too small to divide are divided
        together.

    Raises
    ------
    UserError
        For conflicts that are refused, and a class that cannot be on the sides it has to be on.

    """
    found = find_conflicts(scan)
    if conflicts == "error":
        refuse(found)
    groups = _without(found, leaf_groups(scan, groups_file))
    shares = dict(zip(SIDES, ratios, strict=True))

    def share_out(number: int, groups: list[Group], shares: Shares) -> list[tuple[Side, Group]]:
        rng = np.random.default_rng([seed, number])
        return _shared_out([groups[i] for i in rng.permutation(len(groups))], shares)

    mixed = sum(len({image.class_name for image in group}) > 1 for group in groups)
    origin = SplitOrigin(
        conflicts=tuple(conflict.paths for conflict in found),
        left_out=(*scan.unused(), *(f"skipped {i.path}: {i.reason}" for i in scan.skipped)),
        near_conflicts=0 if groups_file else mixed,  # a patient may have two diseases
    )
    if not scan.sides or resplit:
        if scan.sides:
            origin = replace(origin, notes=("the split of the folders is not used (--resplit)",))
        excluded = Counter(name for conflict in found for name in conflict.classes)
        divided = _divide(scan, groups, shares, share_out, excluded, classes_needed)
        return Manifest(scan.root, tuple(sorted(divided)), origin)
    rows, carved, notes = keep_given(scan, groups, shares, share_out, classes_needed)
    made = Manifest(scan.root, tuple(sorted(rows)), origin)
    given = replace(
        origin,
        folders={str(side): places for side, places in scan.sides.items()},
        carved=carved,
        notes=tuple(notes),
        leaks=len(made.groups_on_two_sides()),
    )
    return replace(made, origin=given)


def _divide(
    scan: FolderScan,
    groups: Sequence[Group],
    shares: Shares,
    share_out: ShareOut,
    excluded: Mapping[str, int],
    classes_needed: bool,
) -> Iterator[ManifestRow]:
    """Rows, each class divided by itself."""
    by_class: dict[str, list[Group]] = defaultdict(list)
    for group in groups:
        by_class[_class_of(group)].append(group)
    if classes_needed:
        _refuse_too_small(scan, by_class, groups, excluded)
    small: list[Group] = []
    for number, class_name in enumerate(scan.counts):
        own = sorted(by_class[class_name], key=group_name)
        if len(own) < len(SIDES) and not classes_needed:
            small += own
            continue
        yield from _rows(share_out(number, own, shares))
    if len(small) >= len(SIDES):
        yield from _rows(share_out(len(scan.counts), small, shares))
    elif len(small) == len(groups):
        images = sum(map(len, small))
        problem = f"{images} images in {scan.root} show {len(small)} different things"
        raise UserError(f"{problem} (copies and shots of one leaf count once)", MORE)
    else:
        yield from _rows([("train", group) for group in small])


def _rows(placed: Iterable[tuple[Side, Group]]) -> Iterator[ManifestRow]:
    for side, group in placed:
        name = group_name(group)
        yield from (ManifestRow(i.path, i.class_name, side, name, i.sha256) for i in group)


def _without(conflicts: Sequence[Conflict], groups: Sequence[Group]) -> list[Group]:
    """The groups without the files of conflicts; what belonged together still does."""
    left_out = {path for conflict in conflicts for path in conflict.paths}
    kept = ([image for image in group if image.path not in left_out] for group in groups)
    return [group for group in kept if group]


def _class_of(group: Group) -> str:
    """The class of most of its images; near copies may be filed under two."""
    counts = Counter(image.class_name for image in group)
    return min(counts, key=lambda name: (-counts[name], name))


def _shared_out(order: Sequence[Group], shares: Shares) -> list[tuple[Side, Group]]:
    """Each group to the side that lacks most of its share, large groups first; each side has one.

    Large first, so that small ones are left to even out the sides.
    """
    by_size = sorted(order, key=len, reverse=True)
    total = sum(len(group) for group in order)
    lacking = {side: share * total for side, share in shares.items()}
    placed: list[tuple[Side, Group]] = []
    for position, group in enumerate(by_size):
        empty = [side for side in shares if side not in {side for side, _ in placed}]
        forced = len(by_size) - position <= len(empty)
        side = max(empty if forced else shares, key=lambda name: lacking[name])
        lacking[side] -= len(group)
        placed.append((side, group))
    return placed


def _refuse_too_small(
    scan: FolderScan,
    by_class: Mapping[str, Sequence[Group]],
    groups: Sequence[Group],
    excluded: Mapping[str, int],
) -> None:
    """Raise a UserError that names every class with too few groups for all sides."""
    small = {
        name: images for name, images in scan.counts.items() if len(by_class[name]) < len(SIDES)
    }
    if not small:
        return
    mixed = Counter(
        image.class_name
        for group in groups
        for image in group
        if image.class_name != _class_of(group)
    )
    told = [
        _why_too_small(name, images, len(by_class[name]), excluded[name], mixed[name])
        for name, images in small.items()
    ]
    doubtful = any(excluded[name] for name in small)
    raise UserError(
        f"{listed(told)} (copies and shots of one leaf count once)",
        f"decide which class is right, or: {MORE}" if doubtful else MORE,
    )


def _why_too_small(name: str, images: int, groups: int, excluded: int, mixed: int) -> str:
    """excluded: images under another class too; mixed: those grouped with more of another class."""
    told = f"class {name} has {counted(images, 'image')}"
    if excluded == images:
        which = f"all {images} of them" if images > 1 else "which is"
        return f"{told}, {which} filed under another class too"
    if excluded:
        told += f", {excluded} of them filed under another class too"
    if mixed:
        told += f", {mixed} of them in one group with more images of another class"
    others = images - excluded - mixed
    show = f"{'s' if others == 1 else ''} {counted(groups, 'different thing')}"
    if others == images:
        return f"{told} that show{show}"
    return f"{told}; the {counted(others, 'other')} show{show}" if others else told
