"""Data folders in the layouts that people have them in, of small pictures that all differ."""

from collections.abc import Sequence
from itertools import count
from pathlib import Path

from tests.colours import colour_picture

_NUMBERS = count(1)


def image(file: Path) -> Path:
    """Draw a picture that no other is like, and the folders above it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    colour_picture("red", next(_NUMBERS)).save(file)
    return file


def images(folder: Path, number: int) -> Path:
    """Draw `folder/<number>.png`."""
    for each in range(number):
        image(folder / f"{each}.png")
    return folder


def classes(root: Path, names: Sequence[str] = ("a", "b"), each: int = 6) -> Path:
    """Draw `root/<class>/<number>.png`."""
    for name in names:
        images(root / name, each)
    return root


def sides(root: Path, **each: int) -> Path:
    """Draw `root/<side>/<class>/<number>.png`, so many of each of two classes."""
    for side, number in each.items():
        classes(root / side, each=number)
    return root
