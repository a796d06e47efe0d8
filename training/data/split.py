"""Train, validation and test sides: stratified by class, whole groups only, seeded.

A group is a set of files with the same bytes; it is never divided, so no test image was learnt
from. The split depends on the files and the seed alone, not on the order they are listed in.
"""

from collections import defaultdict

import numpy as np

from leafgate.errors import UserError
from leafgate.manifest import SIDES, Manifest, ManifestRow
from training.data.folder import FolderScan, FoundImage

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


def split(scan: FolderScan, ratios: Ratios = (0.70, 0.15, 0.15), seed: int = 0) -> Manifest:
    """Put every image on one side. Raises UserError where a class is too small to be on each,
    or the same picture is filed under two classes.
    """
    _refuse_two_labels(scan)
    rows: list[ManifestRow] = []
    for number, class_name in enumerate(scan.counts):
        groups = _groups(scan, class_name)
        if len(groups) < len(SIDES):
            raise UserError(
                f"class {class_name} has {len(groups)} different images",
                f"a split into {', '.join(SIDES)} needs at least {len(SIDES)}",
            )
        rng = np.random.default_rng([seed, number])
        order = [sorted(groups)[i] for i in rng.permutation(len(groups))]
        for side, names in zip(SIDES, _cut(order, groups, ratios), strict=True):
            rows += [
                ManifestRow(image.path, class_name, side, name[:16], image.sha256)
                for name in names
                for image in groups[name]
            ]
    return Manifest(scan.root, tuple(sorted(rows)))


def _groups(scan: FolderScan, class_name: str) -> dict[str, list[FoundImage]]:
    groups: dict[str, list[FoundImage]] = defaultdict(list)
    for image in scan.images:
        if image.class_name == class_name:
            groups[image.sha256].append(image)
    return groups


def _cut(
    order: list[str], groups: dict[str, list[FoundImage]], ratios: Ratios
) -> tuple[list[str], list[str], list[str]]:
    """Cut the shuffled groups where the running count of images passes each share."""
    sizes = np.cumsum([len(groups[name]) for name in order])
    total = int(sizes[-1])
    first = int(np.searchsorted(sizes, ratios[0] * total + 0.5))
    second = int(np.searchsorted(sizes, (ratios[0] + ratios[1]) * total + 0.5))
    first = min(max(first, 1), len(order) - 2)
    second = min(max(second, first + 1), len(order) - 1)
    return order[:first], order[first:second], order[second:]


def _refuse_two_labels(scan: FolderScan) -> None:
    seen: dict[str, FoundImage] = {}
    for image in scan.images:
        other = seen.setdefault(image.sha256, image)
        if other.class_name != image.class_name:
            raise UserError(
                f"{other.path} and {image.path} are the same picture under two classes",
                "remove the one that is labelled wrongly",
            )
