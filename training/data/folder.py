"""A folder of class folders, read honestly: what is usable, and what was skipped and why."""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from leafgate.class_names import class_name
from leafgate.errors import ImageError, UserError
from leafgate.file_names import path_text
from leafgate.images import DECODE_THREADS, SUFFIXES, decode
from leafgate.progress import progress
from training.data.folder_names import classes_of, name_warnings
from training.data.look import Look, look_of

ALIKE = "its name is not UTF-8, and another file has the name that it would be written with"


@dataclass(frozen=True)
class FoundImage:
    """A readable image. path: relative to the folder, as `path_text` writes it.

    pixels: SHA-256 of the decoded picture, the same for every file that shows it; empty where it
    was not decoded.
    """

    path: str
    class_name: str
    sha256: str
    look: Look = field(repr=False, compare=False)
    pixels: str = ""


@dataclass(frozen=True)
class Skipped:
    """A file that is not used, and the reason."""

    path: str
    reason: str


@dataclass(frozen=True)
class FolderScan:
    """All that was found, in path order. warnings: names that may not be what was meant."""

    root: Path
    images: tuple[FoundImage, ...]
    skipped: tuple[Skipped, ...]
    warnings: tuple[str, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """Usable images of each class, classes sorted."""
        return dict(sorted(Counter(image.class_name for image in self.images).items()))

    def summary(self) -> str:
        """What was found, and the first skipped files by name, for a person."""
        counts = self.counts
        lines = [
            f"{len(self.images):,} images in {len(counts)} classes, "
            f"{min(counts.values())} to {max(counts.values())} a class"
        ]
        lines += [f"warning: {warning}" for warning in self.warnings]
        lines += [f"skipped {item.path}: {item.reason}" for item in self.skipped[:10]]
        if len(self.skipped) > 10:
            lines.append(f"skipped {len(self.skipped) - 10} more")
        return "\n".join(lines)


def scan_folder(root: Path, on_image: Callable[[], object] = lambda: None) -> FolderScan:
    """Read every file of `root/<class>/`, decoding each image to prove that it can be used.

    Files that cannot are skipped and named. Raises UserError for a missing folder, no class
    folders, one class only, or a class without a usable image.
    """
    classes = classes_of(class_folders(root))
    files = [(name, file) for folder, name in classes.items() for file in _files(root / folder)]
    with ThreadPoolExecutor(DECODE_THREADS) as pool:
        read = []
        for item in pool.map(lambda pair: _read(root, *pair), files):
            read.append(item)
            on_image()
    read = _under_one_name(read)
    images = tuple(item for item in read if isinstance(item, FoundImage))
    skipped = tuple(item for item in read if isinstance(item, Skipped))
    used = {image.class_name for image in images}
    for folder, name in classes.items():
        if name not in used:
            raise UserError(*_no_images(root / folder, skipped))
    return FolderScan(root, images, skipped, name_warnings(classes))


def count_files(root: Path) -> int:
    """How many files a scan will read."""
    return sum(1 for name in class_folders(root) for _ in _files(root / name))


def class_folders(root: Path) -> list[str]:
    """Names of the class folders, sorted. Raises UserError for fewer than two."""
    if not root.is_dir():
        raise UserError(f"no folder {root}", "check the path; it is to hold one folder a class")
    names = sorted(e.name for e in os.scandir(root) if e.is_dir() and not e.name.startswith("."))
    if not names:
        raise UserError(f"no class folders in {root}", f"expected {root}/<class>/<image>")
    if len(set(classes_of(names).values())) == 1:
        raise UserError(
            f"only one class folder in {root}: {path_text(names[0])}",
            "a classifier needs two or more; give the folder above if that one holds the classes",
        )
    return names


def _files(folder: Path) -> Iterator[Path]:
    entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    return (Path(e.path) for e in entries if e.is_file() and not e.name.startswith("."))


def _read(root: Path, class_name: str, file: Path) -> FoundImage | Skipped:
    path = path_text(file.relative_to(root))
    if file.suffix.lower() not in SUFFIXES:
        return Skipped(path, f"not an image file ({file.suffix or 'no suffix'})")
    try:
        data = file.read_bytes()
        picture = decode(data)
        look = look_of(picture)
    except ImageError as error:
        return Skipped(path, error.problem)
    except OSError as error:
        return Skipped(path, f"cannot be read ({error.strerror})")
    shape = repr(picture.shape).encode()
    pixels = sha256(shape + picture.tobytes()).hexdigest()
    return FoundImage(path, class_name, sha256(data).hexdigest(), look, pixels)


def _under_one_name(read: list[FoundImage | Skipped]) -> list[FoundImage | Skipped]:
    """`read`, without a second file that would be written with the same path."""
    kept: dict[str, FoundImage | Skipped] = {}
    taken = [
        Skipped(item.path, ALIKE) for item in read if kept.setdefault(item.path, item) is not item
    ]
    return [*kept.values(), *taken]


def _no_images(folder: Path, skipped: tuple[Skipped, ...]) -> tuple[str, str]:
    reasons = [
        item.reason for item in skipped if item.path.startswith(f"{path_text(folder.name)}/")
    ]
    if any(entry.is_dir() for entry in os.scandir(folder)) and not reasons:
        return (
            f"class folder {folder} holds folders, not images",
            f"expected {folder}/<image>; is {folder} the data folder?",
        )
    detail = f" ({len(reasons)} files skipped, the first: {reasons[0]})" if reasons else ""
    return (
        f"class {class_name(folder.name)} has no usable image{detail}",
        "add images or remove its folder",
    )


def read_folder(root: Path) -> FolderScan:
    """`scan_folder` with a progress bar."""
    with progress("reading images", count_files(root)) as advance:
        return scan_folder(root, advance)
