"""A folder of class folders, read honestly: what is usable, and what was skipped and why."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from leafgate.class_names import class_name
from leafgate.errors import ImageError, UserError
from leafgate.file_names import path_text
from leafgate.images import DECODE_THREADS, SUFFIXES, decode
from leafgate.manifest import Side
from leafgate.progress import progress
from leafgate.wording import counted, listed
from training.data.folder_names import classes_of, name_warnings
from training.data.folder_tree import LeftOut
from training.data.layout import ClassFolder, Layout, find_layout
from training.data.look import Look, look_of

ALIKE = "its name is not UTF-8, and another file has the name that it would be written with"


@dataclass(frozen=True)
class FoundImage:
    """A readable image. path: relative to the folder, as `path_text` writes it.

    pixels: SHA-256 of the decoded picture, the same for every file that shows it; empty where it
    was not decoded. side: where the folders give one.
    """

    path: str
    class_name: str
    sha256: str
    look: Look = field(repr=False, compare=False)
    pixels: str = ""
    side: Side | None = None


@dataclass(frozen=True)
class Skipped:
    """A file that is not used, and the reason."""

    path: str
    reason: str


@dataclass(frozen=True)
class FolderScan:
    """All that was found, in path order.

    skipped: files of the classes that cannot be used; left_out: whatever else is not read; notes:
    how the folders were understood; sides: their folders, where the data came split; warnings:
    names that may not be what was meant.
    """

    root: Path
    images: tuple[FoundImage, ...]
    skipped: tuple[Skipped, ...]
    warnings: tuple[str, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    notes: tuple[str, ...] = ()
    sides: Mapping[Side, str] = field(default_factory=dict)

    @property
    def counts(self) -> dict[str, int]:
        """Usable images of each class, classes sorted."""
        return dict(sorted(Counter(image.class_name for image in self.images).items()))

    def summary(self) -> str:
        """What was found, and the first skipped files by name, for a person."""
        lines = [counted(len(self.images), "image") + _in_classes(self.counts)]
        lines += [f"warning: {warning}" for warning in self.warnings]
        if self.sides:
            given = ", ".join(f"{side} in {places}/" for side, places in self.sides.items())
            lines.append(f"the folders are split already: {given}")
        lines += self.notes
        lines += [f"skipped {item.path}: {item.reason}" for item in self.skipped[:10]]
        if len(self.skipped) > 10:
            lines.append(f"skipped {len(self.skipped) - 10} more")
        return "\n".join(lines + self.unused())

    def unused(self) -> list[str]:
        """What lies in the folder and is not read, by place and reason; the same reason once."""
        by_reason: dict[str, list[LeftOut]] = defaultdict(list)
        for item in self.left_out:
            by_reason[item.reason].append(item)
        return [line for items in by_reason.values() for line in _together(items)]


def _in_classes(counts: Mapping[str, int]) -> str:
    """How many classes, and their sizes; nothing where there is one class."""
    if len(counts) < 2:
        return ""
    least, most = min(counts.values()), max(counts.values())
    sizes = f"{least:,}" if least == most else f"{least:,} to {most:,}"
    return f" in {len(counts)} classes, {sizes} a class"


def _together(items: list[LeftOut]) -> list[str]:
    """One line each, or one for all where they are many."""
    if len(items) <= 3:
        return [item.line for item in items]
    files = sum(item.files for item in items)
    shown = ", ".join(item.path for item in items[:3])
    return [LeftOut(f"{len(items):,} places, as {shown}", files, items[0].reason).line]


def scan_folder(
    root: Path,
    on_image: Callable[[], object] = lambda: None,
    classes_needed: bool = True,
    layout: Layout | None = None,
) -> FolderScan:
    """Read every file of every class, decoding each image to prove that it can be used.

    Files that cannot are skipped and named. classes_needed, and which folders are the classes: see
    `find_layout`. Raises UserError for a missing folder, no class folders, one class only, or a
    class without a usable image.
    """
    layout = layout or find_layout(root, classes_needed)
    classes = classes_of(sorted({folder.name for folder in layout.folders}))
    files = [(folder, file) for folder in layout.folders for file in folder.files]
    with ThreadPoolExecutor(DECODE_THREADS) as pool:
        read = []
        for item in pool.map(lambda pair: _read(root, *pair), files):
            read.append(item)
            on_image()
    read = _under_one_name(read)
    images = sorted((i for i in read if isinstance(i, FoundImage)), key=lambda item: item.path)
    skipped = tuple(item for item in read if isinstance(item, Skipped))
    used = {image.class_name for image in images}
    empty = [folder for folder in layout.folders if classes[folder.name] not in used]
    if empty:
        raise UserError(*_no_images(empty, (*skipped, *layout.left_out)))
    sides = {side: "/, ".join(map(path_text, places)) for side, places in layout.sides.items()}
    return FolderScan(
        root,
        tuple(images),
        skipped,
        name_warnings(classes),
        tuple(layout.left_out),
        tuple(layout.notes),
        sides,
    )


def _read(root: Path, folder: ClassFolder, file: Path) -> FoundImage | Skipped:
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
    return FoundImage(
        path, class_name(folder.name), sha256(data).hexdigest(), look, pixels, folder.side
    )


def _under_one_name(read: list[FoundImage | Skipped]) -> list[FoundImage | Skipped]:
    """`read`, without a second file that would be written with the same path."""
    kept: dict[str, FoundImage | Skipped] = {}
    taken = [
        Skipped(item.path, ALIKE) for item in read if kept.setdefault(item.path, item) is not item
    ]
    return [*kept.values(), *taken]


def _no_images(
    empty: Sequence[ClassFolder], skipped: tuple[Skipped | LeftOut, ...]
) -> tuple[str, str]:
    """Problem and remedy for all class folders without an image that can be used."""
    told = []
    for folder in empty:
        place = f"{path_text(folder.place)}/"
        reasons = [item.reason for item in skipped if item.path.startswith(place)]
        detail = f" ({len(reasons)} files skipped, the first: {reasons[0]})" if reasons else ""
        told.append(f"class {class_name(folder.name)} has no usable image{detail}")
    folders = "its folder" if len(empty) == 1 else "these folders"
    return listed(told), f"add images, or remove {folders}"


def read_folder(root: Path, classes_needed: bool = True) -> FolderScan:
    """`scan_folder` with a progress bar."""
    layout = find_layout(root, classes_needed)
    with progress("reading images", layout.files) as advance:
        return scan_folder(root, advance, layout=layout)
