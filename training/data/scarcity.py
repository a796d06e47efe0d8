"""A scarce copy of a data set: at most N images a class, chosen by seed."""

import os
import shutil
from pathlib import Path

import numpy as np

from leafgate.errors import UserError
from leafgate.file_names import disk_path
from leafgate.manifest import SIDES
from training.data.conflicts import find_conflicts
from training.data.folder import FolderScan


def make_scarce(scan: FolderScan, out: Path, per_class: int, seed: int = 0) -> dict[str, int]:
    """Copy (hard links where they can be) at most `per_class` images of each class into `out`.

    Of each class on each side, where the folders give sides. Pictures that are filed under more
    than one class are left out: a copy of one of their files would look like a sure label.

    Returns the number kept of each class. Raises UserError where `out` holds files already.
    """
    if per_class < 1:
        raise UserError(f"per-class {per_class}", "keep at least one image a class")
    if out.exists() and any(out.iterdir()):
        raise UserError(f"{out} is not empty", "choose another folder or remove it")
    beside = out.with_name(f".{out.name}.{os.getpid()}")
    kept: dict[str, int] = {}
    doubtful = {path for conflict in find_conflicts(scan) for path in conflict.paths}
    try:
        for number, class_name in enumerate(scan.counts):
            kept[class_name] = 0
            for place, side in enumerate((None, *SIDES)):
                paths = sorted(
                    image.path
                    for image in scan.images
                    if (image.class_name, image.side) == (class_name, side)
                    and image.path not in doubtful
                )
                seeds = [seed, number, *([place] if side else [])]
                picked = np.random.default_rng(seeds).permutation(len(paths))[:per_class]
                for index in picked:
                    source = disk_path(scan.root, paths[index])
                    _copy(source, beside / source.relative_to(scan.root))
                kept[class_name] += len(picked)
        if out.exists():
            out.rmdir()
        out.parent.mkdir(parents=True, exist_ok=True)
        beside.rename(out)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return kept


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        target.hardlink_to(source)
    except OSError:  # another file system, or one without links
        shutil.copyfile(source, target)
