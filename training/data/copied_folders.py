"""Folders that hold what another folder holds already."""

import re
from collections.abc import Mapping, Sequence
from filecmp import cmp
from pathlib import Path

from leafgate.class_names import class_name
from leafgate.file_names import path_text
from training.data.folder_tree import Folder, LeftOut

COPY_NAME = re.compile(  # as Windows, macOS and Google Drive name a copied folder
    r"(?P<front>.+?)(?: - (?:copy|kopie|copie|copia)(?: \(\d+\))?| copy(?: \d+)?| ?\(\d+\))"
    r"|(?:copy|kopie) (?:of|von) (?P<back>.+)"
)


def content(folder: Folder) -> set[tuple[str, str, int]]:
    """Of each image: the folder that it is in, its name and size."""
    return {entry_of(file) for file in folder.all_images}


def entry_of(file: Path) -> tuple[str, str, int]:
    """The folder that the file is in, its name and size."""
    return file.parent.name.lower(), file.name, file.stat().st_size


def named_copies(folders: Sequence[Folder]) -> dict[str, Folder]:
    """By place, the folders that are named as a copy of another here and hold what it holds."""
    by_name = {class_name(folder.name).casefold(): folder for folder in folders}
    found: dict[str, Folder] = {}
    for folder in folders:
        name = COPY_NAME.fullmatch(class_name(folder.name).casefold())
        first = by_name.get(name["front"] or name["back"]) if name else None
        if first and _holds_all(first, folder):
            found[folder.place] = first
    return found


def _holds_all(whole: Folder, copy: Folder) -> bool:
    """Whether every image of `copy` is in `whole`, byte for byte."""
    pairs = ((whole.path / file.relative_to(copy.path), file) for file in copy.all_images)
    return all(first.is_file() and cmp(first, file, shallow=False) for first, file in pairs)


def left_as_copies(tree: Folder, copies: Mapping[str, Folder]) -> list[LeftOut]:
    """The copies of `named_copies` in `tree`, as left out."""
    return [
        folder.leave(f"a copy of {path_text(copies[folder.place].place)}/")
        for folder in tree.folders
        if folder.place in copies
    ]
