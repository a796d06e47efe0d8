"""The split manifest: which image is on which side, and proof that it is still the same image.

A row is path, class, side, leaf group and SHA-256. A group (shots of one leaf, exact copies) is
never divided between sides. The digest names the data set in runs, verdicts and audit records.
"""

import csv
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Literal, get_args

from leafgate.class_names import class_name
from leafgate.errors import UserError
from leafgate.file_names import disk_path, is_within, path_text
from leafgate.files import whole
from leafgate.split_origin import SplitOrigin, origin_file
from leafgate.tables import TableRow, read_table

Side = Literal["train", "validation", "test"]
SIDES: tuple[Side, ...] = get_args(Side)
SHA256 = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True, order=True)
class ManifestRow:
    """One image. path: relative to the data folder, with forward slashes."""

    path: str
    class_name: str
    side: Side
    group: str
    sha256: str


COLUMNS = tuple(column.name for column in fields(ManifestRow))


@dataclass(frozen=True)
class Manifest:
    """Rows in path order, and the folder that their paths start from.

    origin: where the sides come from and what is on none; unknown for a manifest made elsewhere.
    written_digest: of the file's own rows, where names in it were spelt in another way.
    """

    root: Path
    rows: tuple[ManifestRow, ...]
    origin: SplitOrigin | None = field(default=None, compare=False)
    written_digest: str = field(default="", compare=False, repr=False)

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names, sorted: the order of every model's outputs."""
        return tuple(sorted({row.class_name for row in self.rows}))

    @property
    def digest(self) -> str:
        """SHA-256 over the sorted rows; the folder's place on this machine does not count."""
        return _digest(map(_cells, self.rows))

    def has_digest(self, digest: str) -> bool:
        """Whether this is the manifest's digest, or that of its file as it was written, which older
        versions of LeafGate used: they did not normalise names.
        """
        return digest in (self.digest, self.written_digest)

    def side(self, side: Side) -> tuple[ManifestRow, ...]:
        """The rows on one side."""
        return tuple(row for row in self.rows if row.side == side)

    def side_digest(self, side: Side) -> str:
        """SHA-256 over class, leaf group and file of every image on one side: names an evaluation
        set, wherever its images lie and whatever else was split with it.
        """
        rows = sorted((row.class_name, row.group, row.sha256) for row in self.side(side))
        lines = "\n".join("\t".join(row) for row in rows)
        return hashlib.sha256(lines.encode()).hexdigest()

    def file(self, row: ManifestRow) -> Path:
        """Where the row's image lies on this machine. Raises UserError for a path that leads out of
        the data folder: a list made elsewhere must not name the files of this machine.
        """
        file = disk_path(self.root, row.path)
        if not is_within(self.root, file):
            raise UserError(
                f"the manifest names {row.path[:200]}, which is not in the data folder {self.root}",
                "write paths relative to the data folder, or give the folder that holds the images",
                code="bad_manifest",
            )
        return file

    def groups_on_two_sides(self) -> tuple[str, ...]:
        """Leaf groups that leak: empty for a sound split."""
        sides: dict[str, set[str]] = {}
        for row in self.rows:
            sides.setdefault(row.group, set()).add(row.side)
        return tuple(sorted(group for group, found in sides.items() if len(found) > 1))

    def changed_files(self, rows: Iterable[ManifestRow]) -> list[str]:
        """Paths among `rows` whose file is missing or no longer has the recorded SHA-256."""
        return [row.path for row in rows if _digest_or_none(self.file(row)) != row.sha256]

    def save(self, file: Path) -> None:
        """Write as CSV, beside and then renamed, so that no half-written file is ever seen.

        What there is to say of its origin goes into a JSON file beside it.
        """
        file.parent.mkdir(parents=True, exist_ok=True)
        with whole(file) as beside, beside.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream)
            writer.writerow(COLUMNS)
            writer.writerows(_cells(row) for row in sorted(self.rows))
        origin_file(file).unlink(missing_ok=True)
        if self.origin is not None and self.origin != SplitOrigin():
            self.origin.save(file, self.digest)

    @staticmethod
    def load(file: Path, root: Path) -> "Manifest":
        """Read a saved manifest. Raises UserError that names the line that is wrong."""
        if not file.is_file():
            raise UserError(f"no manifest at {file}", "make one with `leafgate data split`")
        read = read_table(file, COLUMNS, "give a manifest as `leafgate data split` writes it")
        rows = _once_each(file, [(item.line, _row(file, item)) for item in read])
        written = _digest(_as_written(item) for item in read)
        if not rows:
            raise UserError(f"{file} has no image", "make one with `leafgate data split`")
        manifest = Manifest(root, tuple(sorted(rows)), written_digest=written)
        return replace(manifest, origin=SplitOrigin.load(file, manifest.digest))


def _cells(row: ManifestRow) -> tuple[str, ...]:
    return (row.path, row.class_name, row.side, row.group, row.sha256)


def _as_written(item: TableRow) -> tuple[str, ...]:
    return tuple(item.cells[name] for name in COLUMNS)


def _digest(rows: Iterable[tuple[str, ...]]) -> str:
    lines = "\n".join("\t".join(cells) for cells in sorted(rows))
    return hashlib.sha256(lines.encode("utf-8", "surrogateescape")).hexdigest()


def _row(file: Path, item: TableRow) -> ManifestRow:
    cells = item.cells
    side = cells["side"].strip().lower()
    if side not in SIDES:
        raise UserError(
            f"{file} line {item.line}: side {cells['side']!r}", f"use one of {', '.join(SIDES)}"
        )
    name, sha256 = class_name(cells["class_name"]), cells["sha256"].strip().lower()
    if not name or not cells["path"]:
        raise UserError(
            f"{file} line {item.line}: no {'path' if name else 'class_name'}", "write every cell"
        )
    if SHA256.fullmatch(sha256) is None:
        raise UserError(
            f"{file} line {item.line}: {cells['sha256'][:80]!r} is no SHA-256",
            "write the 64 hexadecimal digits that `sha256sum` prints of the image",
        )
    return ManifestRow(path_text(cells["path"]), name, side, cells["group"], sha256)


def _once_each(file: Path, read: list[tuple[int, ManifestRow]]) -> list[ManifestRow]:
    """The rows, without repetitions. Raises UserError where two say different things of a path."""
    known: dict[str, tuple[int, ManifestRow]] = {}
    for line, row in read:
        before, other = known.setdefault(row.path, (line, row))
        if other != row:
            raise UserError(
                f"{file} has {row.path} twice, in lines {before} and {line}, and they differ",
                "remove the wrong one: an image has one class, side and group",
            )
    return [row for _, row in known.values()]


def _digest_or_none(file: Path) -> str | None:
    try:
        return file_digest(file)
    except OSError:
        return None


def file_digest(file: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
