"""Where the sides of a split come from, and which files are on none: kept with the manifest."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from leafgate.files import whole
from leafgate.strict_json import dump_json
from leafgate.wording import counted

LISTED = 100  # lines on the console; the file beside the manifest has all


@dataclass(frozen=True)
class SplitOrigin:
    """Not part of the manifest's digest, which is that of its rows alone.

    Attributes
    ----------
    folders
        Which folders are which side, where the data came split already; else empty.
    carved
        Images taken from the training folder for a side that the folders lack, by side.
    leaks
        Groups of copies and shots of one leaf that are on two sides.
    conflicts
        Files of each picture that is filed under more than one class; they are on no side.
    notes
        What a person should know about the sides that the folders give.
    near_conflicts
        Groups of near copies, saved again or scaled, with files of more than one class. They are
        kept, since only looks say that they are the same.
    left_out
        What the data folder holds beside these images, and why it is not used.

    """

    folders: Mapping[str, str] = field(default_factory=dict)
    carved: Mapping[str, int] = field(default_factory=dict)
    leaks: int = 0
    conflicts: tuple[tuple[str, ...], ...] = ()
    notes: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    near_conflicts: int = 0

    @property
    def sides(self) -> str:
        """One line: who made the sides."""
        if not self.folders:
            return "made by LeafGate"
        given = ", ".join(f"{side} from {folder}/" for side, folder in self.folders.items())
        carved = "".join(
            f"; {count:,} training images were taken for {side}"
            for side, count in self.carved.items()
        )
        return f"given by the folders: {given}{carved}"

    def lines(self) -> list[str]:
        """For a person: what is to be known before the figures are believed."""
        told = []
        if self.folders:
            told.append(f"sides {self.sides}")
        told += self.notes
        if self.folders:
            remedy = "; --resplit makes sides without them" if self.leaks else ""
            told.append(
                "groups of copies or shots of one leaf that are on two of these sides: "
                f"{self.leaks}{remedy}"
            )
        if self.conflicts:
            files = sum(map(len, self.conflicts))
            pictures = f"{len(self.conflicts)} pictures that are"
            if len(self.conflicts) == 1:
                pictures = "1 picture that is"
            told.append(
                f"excluded: {files} files of {pictures} filed under more than one class "
                "(--conflicts error refuses them)"
            )
            told += [f"  {' = '.join(paths)}" for paths in self.conflicts[:LISTED]]
            if len(self.conflicts) > LISTED:
                told.append(f"  and {len(self.conflicts) - LISTED} more; `leafgate data report`")
        if self.near_conflicts:
            groups = counted(self.near_conflicts, "group")
            told.append(
                f"kept: {groups} of near copies with files of more than one class; `leafgate data "
                "report` shows them"
            )
        return told

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return {"sides": self.sides, **asdict(self)}

    def save(self, manifest: Path, digest: str) -> None:
        """Write as JSON beside the manifest's file. digest: of the manifest."""
        text = dump_json({"digest": digest, **self.as_dict()}, indent=2)
        with whole(origin_file(manifest)) as beside:
            beside.write_text(text, encoding="utf-8", errors="backslashreplace")

    @classmethod
    def load(cls, manifest: Path, digest: str) -> "SplitOrigin | None":
        """What lies beside the manifest's file; None where there is nothing that belongs to it."""
        try:
            found = json.loads(origin_file(manifest).read_text(encoding="utf-8"))
            if found["digest"] != digest:
                return None
            return cls(
                folders=dict(found["folders"]),
                carved=dict(found["carved"]),
                leaks=int(found["leaks"]),
                conflicts=tuple(tuple(paths) for paths in found["conflicts"]),
                notes=tuple(found["notes"]),
                left_out=tuple(found["left_out"]),
                near_conflicts=int(found["near_conflicts"]),
            )
        except (OSError, ValueError, KeyError, TypeError):
            return None


def origin_file(manifest: Path) -> Path:
    """`split.csv` has `split.origin.json` beside it."""
    return manifest.with_suffix(".origin.json")
