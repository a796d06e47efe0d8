"""One picture under more than one class: no model can learn it, and no figure can be right on it.

The same picture is the same bytes or the same pixels, however the file was saved.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from leafgate.errors import UserError
from leafgate.manifest import Manifest
from training.data.folder import FolderScan


@dataclass(frozen=True)
class Conflict:
    """One picture. paths: its files; classes: of each file."""

    paths: tuple[str, ...]
    classes: tuple[str, ...]

    @property
    def line(self) -> str:
        """All its files."""
        return " = ".join(self.paths)


def find_conflicts(scan: FolderScan) -> tuple[Conflict, ...]:
    """Every picture of which copies are filed under two classes or more, in path order."""
    return _conflicts((i.pixels or i.sha256, i.path, i.class_name) for i in scan.images)


def in_manifest(manifest: Manifest) -> tuple[Conflict, ...]:
    """Find the conflicts in a manifest, by the bytes of the files alone."""
    return _conflicts((row.sha256, row.path, row.class_name) for row in manifest.rows)


def _conflicts(images: Iterable[tuple[str, str, str]]) -> tuple[Conflict, ...]:
    """images: digest of the picture, path and class of each."""
    copies: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for digest, path, name in images:
        copies[digest].append((path, name))
    return tuple(
        Conflict(tuple(path for path, _ in group), tuple(name for _, name in group))
        for group in copies.values()
        if len({name for _, name in group}) > 1
    )


def counted(conflicts: Sequence[Conflict]) -> str:
    """How many pictures and files, for a sentence."""
    files = sum(len(conflict.paths) for conflict in conflicts)
    pictures = "1 picture is" if len(conflicts) == 1 else f"{len(conflicts):,} pictures are"
    return f"{pictures} filed under more than one class ({files:,} files)"


def refuse(conflicts: Sequence[Conflict]) -> None:
    """Raise a UserError that lists all of them, if there are any."""
    if conflicts:
        listed = "".join(f"\n  {conflict.line}" for conflict in conflicts)
        raise UserError(
            f"{counted(conflicts)}:{listed}",
            "remove the files that are labelled wrongly, or leave all of them out with "
            "--conflicts exclude",
            code="conflicting_labels",
        )
