"""A data folder as it lies on the disk: folders and files, and everything that is passed over.

Links out of the folder are followed, as data sets are often linked together from elsewhere. Links
that lead back into it are not, and neither are loops.
"""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from leafgate.errors import UserError
from leafgate.file_names import path_text
from leafgate.images import SUFFIXES
from training.data.masks import MASK_FILE, mask_files

HIDDEN = "hidden, or made by the operating system or a program"
DEEPEST = 100
SYSTEM_NAMES = frozenset(
    {
        "__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "$recycle.bin",
        "system volume information", "@eadir", "#recycle", "lost+found", "__pycache__",
    }
)  # fmt: skip
DOCUMENTS = frozenset(
    {
        ".txt", ".csv", ".tsv", ".xml", ".json", ".md", ".rst", ".yaml", ".yml", ".html", ".htm",
        ".py", ".ipynb", ".pdf", ".doc", ".docx", ".xls", ".xlsx", ".log", ".mat", ".npy", ".npz",
        ".h5", ".pkl", ".pt", ".parquet", ".zip", ".gz", ".tar",
    }
)  # fmt: skip
TABLES = frozenset({".csv", ".tsv", ".xls", ".xlsx"})
ARCHIVES = frozenset({".zip", ".tar", ".gz", ".tgz", ".7z", ".rar"})


@dataclass(frozen=True)
class LeftOut:
    """A file or folder that is not used. path: relative; files: how many it stands for."""

    path: str
    files: int
    reason: str

    @property
    def line(self) -> str:
        """For a person."""
        count = {0: "", 1: " (1 file)"}.get(self.files, f" ({self.files:,} files)")
        return f"left out {self.path}{count}: {self.reason}"


@dataclass
class Folder:
    """path: where it lies; place: relative to the data folder, `""` for itself; linked: files
    that are links to outside.
    """

    path: Path
    place: str
    folders: list["Folder"] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    linked: int = 0

    @property
    def name(self) -> str:
        """Its own name."""
        return self.path.name

    @cached_property
    def images(self) -> list[Path]:
        """Files that are named as images, without those in folders below."""
        return [file for file in self.files if file.suffix.lower() in SUFFIXES]

    def walk(self) -> Iterator["Folder"]:
        """Itself and all folders below."""
        yield self
        for folder in self.folders:
            yield from folder.walk()

    @cached_property
    def all_images(self) -> list[Path]:
        """Files that are named as images, with those in folders below."""
        return [file for folder in self.walk() for file in folder.images]

    @property
    def all_files(self) -> list[Path]:
        """Every file, with those in folders below."""
        return [file for folder in self.walk() for file in folder.files]

    @property
    def filled(self) -> list["Folder"]:
        """Folders in it that hold an image, at whatever depth."""
        return [folder for folder in self.folders if folder.all_images]

    def leave(self, reason: str) -> LeftOut:
        """The folder with all that it holds, as left out."""
        return LeftOut(f"{path_text(self.place)}/", len(self.all_files), reason)


def read_tree(root: Path) -> Folder:
    """All folders and files below `root`. Raises UserError where it is no folder."""
    if not root.is_dir():
        problem = "is no folder" if root.exists() else "does not exist"
        raise UserError(
            f"no folder {path_text(root)}: it {problem}",
            "check the path; it is to hold one folder a class",
        )
    return _Walk(root).folder(root, "")


class _Walk:
    """Reads one data folder; knows which folders it has been in."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.seen: dict[Path, str] = {}

    def folder(self, path: Path, place: str) -> Folder:
        found = Folder(path, place)
        self.seen[path.resolve()] = place
        try:
            entries = sorted(os.scandir(path), key=lambda entry: entry.name)
        except OSError as error:
            if not place:
                problem = f"{path_text(path)} cannot be read ({error.strerror})"
                raise UserError(problem, "give yourself the right to read it") from None
            reason = f"cannot be read ({error.strerror})"
            found.left_out.append(LeftOut(f"{path_text(place)}/", 0, reason))
            return found
        links = [entry for entry in entries if entry.is_symlink()]
        for entry in (*(each for each in entries if not each.is_symlink()), *links):
            self._take(found, entry)
        masks = dict.fromkeys(mask_files(found.files))
        found.left_out += [LeftOut(_below(place, file.name), 1, MASK_FILE) for file in masks]
        found.files = [file for file in found.files if file not in masks]
        found.folders.sort(key=lambda folder: folder.name)
        found.files.sort(key=lambda file: file.name)
        return found

    def _take(self, found: Folder, entry: os.DirEntry[str]) -> None:
        place = f"{found.place}/{entry.name}" if found.place else entry.name
        told = _below(found.place, entry.name)
        path = Path(entry.path)
        if is_system(entry.name):
            files = sum(len(names) for _, _, names in os.walk(path)) if path.is_dir() else 1
            found.left_out.append(LeftOut(f"{told}/" if path.is_dir() else told, files, HIDDEN))
        elif path.is_dir():
            reason = self._leads_back(path) if entry.is_symlink() else ""
            if place.count("/") >= DEEPEST:
                reason = f"more than {DEEPEST} folders deep"
            if reason:
                found.left_out.append(LeftOut(f"{told}/", 0, reason))
            else:
                found.folders.append(self.folder(path, place))
        elif path.is_file():
            found.files.append(path)
            if entry.is_symlink() and not path.resolve().is_relative_to(self.root):
                found.linked += 1
        else:
            found.left_out.append(LeftOut(told, 1, _no_file(path, entry.is_symlink())))

    def _leads_back(self, link: Path) -> str:
        """Why a link to a folder is not followed; empty where it is."""
        target = link.resolve()
        if self.root.is_relative_to(target) or link.parent.resolve().is_relative_to(target):
            return "a link to a folder that it lies in: a loop"
        if target in self.seen:
            return f"a link to {path_text(self.seen[target]) or 'the data folder'}/, read already"
        if target.is_relative_to(self.root):
            parts = target.relative_to(self.root).parts
            if not any(map(is_system, parts)):
                return f"a link to {path_text(Path(*parts))}/, which is read where it lies"
        return ""


def _below(place: str, name: str) -> str:
    """The path of a file or folder in `place`, for a person."""
    return path_text(f"{place}/{name}" if place else name)


def is_system(name: str) -> bool:
    """Whether a file or folder of this name is none of a data set."""
    return name.startswith(".") or name.lower() in SYSTEM_NAMES


def _no_file(path: Path, link: bool) -> str:
    if not link:
        return "no regular file"
    try:
        target = path.readlink()
    except OSError as error:
        return f"a link that cannot be read ({error.strerror})"
    if os.path.lexists(path.parent / target) and not path.exists():
        return f"a link that leads to itself or to a broken one ({path_text(target)})"
    return f"a broken link, to {path_text(target)}"


def no_images(tree: Folder) -> tuple[str, str]:
    """Problem and remedy for a folder without images, with what it holds in place of them."""
    kinds = Counter(path_text(file.suffix.lower()) or "no suffix" for file in tree.all_files)
    left_out = [item.path for folder in tree.walk() for item in folder.left_out]
    held = [f"{number:,} x {kind}" for kind, number in kinds.most_common(5)]
    held += [f"{path} (left out)" for path in left_out[:3]]
    fix = f"expected {path_text(tree.path)}/<class>/<image>, an image being one of "
    fix += f"{', '.join(SUFFIXES)}"
    if kinds.keys() & ARCHIVES:
        fix += "; unpack the archive first"
    return (
        f"no class folders in {path_text(tree.path)}, and no images"
        + (f"; it holds {', '.join(held)}" if held else ""),
        fix,
    )


def holds_documents(folder: Folder) -> bool:
    """Whether it holds files, and none that might be a picture of a kind that cannot be read."""
    files = folder.all_files
    return bool(files) and all(file.suffix.lower() in DOCUMENTS for file in files)


def labels_unread(tree: Folder) -> str:
    """A hint where a table lies with the images, which may be their labels."""
    tables = [file.name for file in tree.all_files if file.suffix.lower() in TABLES]
    if not tables:
        return ""
    return f"; labels in a table ({path_text(tables[0])}) are not read, folders alone are"
