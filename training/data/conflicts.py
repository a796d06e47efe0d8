"""One picture under more than one class: no model can learn it, and no figure can be right on it.

The same picture is the same bytes or the same pixels, however the file was saved.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from leafgate.errors import UserError
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
    copies = defaultdict(list)
    for image in scan.images:
        copies[image.pixels or image.sha256].append(image)
    return tuple(
        Conflict(tuple(i.path for i in group), tuple(i.class_name for i in group))
        for group in copies.values()
        if len({image.class_name for image in group}) > 1
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
