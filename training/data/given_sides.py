"""Sides that the folders give: kept as they are, with what they lack taken from training images."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence

from leafgate.class_names import look_alikes
from leafgate.errors import UserError
from leafgate.manifest import SIDES, Manifest, ManifestRow, Side
from leafgate.wording import counted, listed
from training.data.folder import FolderScan
from training.data.leaf_groups import Group, group_name

Shares = Mapping[Side, float]
ShareOut = Callable[[int, list[Group], Shares], list[tuple[Side, Group]]]


def given_manifest(scan: FolderScan) -> Manifest | None:
    """The sides as the folders give them, nothing added or left out; None where they give none."""
    rows = [
        ManifestRow(image.path, image.class_name, image.side, image.sha256[:16], image.sha256)
        for image in scan.images
        if image.side
    ]
    return Manifest(scan.root, tuple(sorted(rows))) if rows else None


def keep_given(
    scan: FolderScan,
    groups: Sequence[Group],
    shares: Shares,
    share_out: ShareOut,
    classes_needed: bool,
) -> tuple[list[ManifestRow], dict[str, int], list[str]]:
    """Return the rows, how many training images were moved to each other side, and messages.

    A validation or test side that the folders lack is taken from the training images, by class and
    in whole groups; so are validation images of a class that the validation folder lacks.
    share_out: puts groups of a class on sides. classes_needed: False for a generator that learns no
    classes: a class may then be on one side alone. Raises UserError where a class cannot be learnt
    or divided.
    """
    _refuse_no_training(scan)
    if classes_needed:
        _refuse_unlearnt(scan, groups)
    sides: dict[str, Side] = {image.path: side for image in scan.images if (side := image.side)}
    there = Counter((i.class_name, sides[i.path]) for group in groups for i in group)
    carved: dict[str, int] = {}
    told: list[str] = []
    too_few: dict[str, tuple[int, list[Side]]] = {}
    for number, name in enumerate(scan.counts):
        lacking = [side for side in SIDES[1:] if side not in scan.sides]
        if classes_needed and not there[name, "validation"] and "validation" not in lacking:
            lacking.insert(0, "validation")
            told.append(f"class {name} has no validation image: some are taken from training")
        if classes_needed and not there[name, "test"] and "test" not in lacking:
            told.append(
                f"class {name} has no test image: how well it is found cannot be measured, and "
                "the gate will say so"
            )
        if lacking:
            whole = sum(shares[side] for side in ("train", *lacking))
            ways: Shares = {side: shares[side] / whole for side in ("train", *lacking)}
            own = _only_in_training(name, groups, sides)
            if len(own) <= len(lacking):
                too_few[name] = len(own), lacking
                continue
            for side, group in share_out(number, own, ways):
                if side != "train":
                    carved[side] = carved.get(side, 0) + len(group)
                    sides.update((image.path, side) for image in group)
    if classes_needed:
        _refuse_too_few(too_few)
    rows = [
        ManifestRow(
            image.path, image.class_name, sides[image.path], group_name(group), image.sha256
        )
        for group in groups
        for image in group
    ]
    return rows, carved, told


def _only_in_training(name: str, groups: Sequence[Group], sides: Mapping[str, Side]) -> list[Group]:
    """Groups of a class that no other side has a picture of."""
    found = [
        group
        for group in groups
        if group[0].class_name == name and {sides[image.path] for image in group} == {"train"}
    ]
    return sorted(found, key=group_name)


def _refuse_no_training(scan: FolderScan) -> None:
    if "train" not in scan.sides:
        raise UserError(
            f"{scan.root} has {' and '.join(scan.sides.values())}, but no folder of training "
            "images",
            "add train/<class>/<image>, or divide all images with --resplit",
            code="no_training_images",
        )


def _refuse_unlearnt(scan: FolderScan, groups: Sequence[Group]) -> None:
    found: dict[str, set[Side]] = defaultdict(set)
    for group in groups:
        for image in group:
            if image.side:
                found[image.class_name].add(image.side)
    learnt = sorted(name for name, sides in found.items() if "train" in sides)
    unlearnt = sorted(set(found) - set(learnt))
    gone = [name for name in scan.counts if name not in found]
    if gone:
        raise UserError(
            f"class {', '.join(gone)} has no image left: every one is filed under another class "
            "too",
            "decide which class is right; `leafgate data report` shows them side by side",
        )
    if unlearnt:
        where = "; ".join(
            f"class {name} has images in {' and '.join(scan.sides[s] for s in sorted(found[name]))}"
            f" alone{_alike(name, learnt)}"
            for name in unlearnt
        )
        raise UserError(
            f"{where}: no training image, so it cannot be learnt",
            "add training images of it, remove its folder, or divide all images with --resplit",
            code="class_without_training_images",
        )


def _alike(name: str, learnt: Sequence[str]) -> str:
    known = [other for other in learnt if look_alikes((other, name))]
    return f" (the training images have {known[0]!r}: give both one name)" if known else ""


def _refuse_too_few(too_few: Mapping[str, tuple[int, Sequence[Side]]]) -> None:
    """too_few: groups in training and the sides that are to be taken from them, by class."""
    if too_few:
        told = [
            f"the folders have no {' and no '.join(lacking)} images of class {name}, and its "
            f"training images show {counted(groups, 'different thing')}"
            f"{'' if groups else ' that no other side shows too'}"
            for name, (groups, lacking) in too_few.items()
        ]
        raise UserError(
            f"{listed(told)} (copies and shots of one leaf count once): too few to take some",
            "add images, or divide all images with --resplit",
        )
