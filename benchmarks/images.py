"""The images a benchmark runs on: a folder of yours, or leaves drawn for the occasion."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from leafgate.manifest import SIDES, Manifest
from training.data.folder import read_folder
from training.data.procedural import make_leaf_folder
from training.data.scarcity import make_scarce
from training.data.split import Ratios, split

RATIOS: Ratios = (0.70, 0.15, 0.15)


class Data(NamedTuple):
    """A split, and one line that says of what."""

    manifest: Manifest
    line: str


def add_data_options(parser: argparse.ArgumentParser, images: int, drawn_size: int = 128) -> None:
    """--data, --per-class, --images, --drawn-size and --split-seed."""
    add = parser.add_argument
    add("--data", type=Path, metavar="FOLDER", help="class folders; else leaves are drawn")
    add("--per-class", type=int, metavar="N", help="use at most N images a class of --data")
    add("--images", type=int, default=images, help="leaves drawn where there is no --data")
    add("--drawn-size", type=int, default=drawn_size, help="their pixels, square")
    add("--split-seed", type=int, default=0)


@contextmanager
def data_of(args: argparse.Namespace, ratios: Ratios = RATIOS) -> Iterator[Data]:
    """The images that the options ask for, split; those drawn or thinned out go at the end."""
    with TemporaryDirectory() as folder:
        manifest = split(read_folder(_root(args, Path(folder))), ratios, args.split_seed)
        yield Data(manifest, _line(args, manifest))


def _root(args: argparse.Namespace, folder: Path) -> Path:
    if args.data is None:
        return make_leaf_folder(folder / "leaves", args.images, size=args.drawn_size)
    if args.per_class is None:
        return Path(args.data)
    scarce = folder / args.data.name
    make_scarce(read_folder(args.data), scarce, args.per_class, args.split_seed)
    return scarce


def _line(args: argparse.Namespace, manifest: Manifest) -> str:
    drawn = f"synthetic leaves of {args.drawn_size} px (drawn with seed 0)"
    name = args.data.name if args.data else drawn
    sides = "/".join(str(len(manifest.side(side))) for side in SIDES)
    return (
        f"{name}, {len(manifest.rows)} images of {len(manifest.classes)} classes, "
        f"{sides} to train, validate and test (split seed {args.split_seed})"
    )
