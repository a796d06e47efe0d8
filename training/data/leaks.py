"""Proof that a split does not leak: the leaf groups are found again, and none lies on two sides."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from leafgate.errors import UserError
from leafgate.manifest import Manifest, ManifestRow
from leafgate.wording import named
from training.data.conflicts import find_conflicts
from training.data.folder import FolderScan
from training.data.group_files import FoundGroups, find_groups
from training.data.leaf_groups import groups_by
from training.data.named_images import rows_of


@dataclass(frozen=True)
class Leak:
    """One group that is on two sides or more. images: pairs of path and side."""

    images: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class LeakReport:
    """What was looked at, and what was found.

    unknown: images of the folder that have no side. excluded: images that have no side because the
    same picture is filed under another class too. unproven: what the proof does not cover; where it
    is empty and there are no leaks, no group is divided. notes: what a person should know about the
    file of groups.
    """

    images: int
    groups: int
    largest_group: int
    leaks: tuple[Leak, ...]
    unknown: tuple[str, ...]
    manifest_digest: str
    excluded: tuple[str, ...] = ()
    unproven: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self)

    def lines(self) -> list[str]:
        """For a person: one line where all is well, and the first leaks where not."""
        told = [
            f"{self.images} images in {self.groups} leaf groups (largest {self.largest_group}), "
            f"{len(self.leaks)} of them on two sides"
        ]
        for leak in self.leaks[:10]:
            told.append("  " + ", ".join(f"{path} ({side})" for path, side in leak.images[:6]))
        if self.excluded:
            told.append(
                f"{len(self.excluded)} images are on no side, since the same picture is filed "
                "under another class too"
            )
        if self.unknown:
            told.append(f"{len(self.unknown)} images are on no side, the first: {self.unknown[0]}")
        told += [f"not proven: {reason}" for reason in self.unproven]
        return [*told, *(f"warning: {note}" for note in self.notes)]


def find_leaks(scan: FolderScan, manifest: Manifest, groups_file: Path | None = None) -> LeakReport:
    """Group the images of `scan` by names, bytes and looks, and compare with the sides.

    Raises UserError where that would prove nothing: the manifest puts no image of the folder on a
    side, or all on one, or the file of groups names none.
    """
    paths = [image.path for image in scan.images]
    row_of = rows_of(paths, manifest)
    _require_two_sides(scan, row_of)
    by_file = find_groups(scan, groups_file) if groups_file else None
    side_of = {paths[place]: str(row.side) for place, row in row_of.items()}
    found = [{image.path for image in group} for group in groups_by(scan, by_file)]
    leaks = {
        Leak(tuple(sorted((path, side_of[path]) for path in group if path in side_of)))
        for group in found
        if len({side_of[path] for path in group if path in side_of}) > 1
    }
    named_here = {row.path: paths[place] for place, row in row_of.items()}
    leaks |= {
        Leak(tuple(sorted((named_here.get(row.path, row.path), str(row.side)) for row in rows)))
        for rows in _claimed(manifest).values()
        if len({row.side for row in rows}) > 1
    }
    filed_twice = {path for conflict in find_conflicts(scan) for path in conflict.paths}
    nowhere = [path for path in paths if path not in side_of]
    return LeakReport(
        images=len(scan.images),
        groups=len(found),
        largest_group=max(map(len, found)),
        leaks=tuple(sorted(leaks, key=lambda leak: leak.images)),
        unknown=tuple(path for path in nowhere if path not in filed_twice),
        manifest_digest=manifest.digest,
        excluded=tuple(path for path in nowhere if path in filed_twice),
        unproven=tuple(_unproven(scan, manifest, row_of, by_file)),
        notes=tuple(by_file.lines()) if by_file else (),
    )


def _require_two_sides(scan: FolderScan, row_of: dict[int, ManifestRow]) -> None:
    sides = sorted({row.side for row in row_of.values()})
    if len(sides) < 2:
        where = f"on its {sides[0]} side alone" if sides else "on no side"
        raise UserError(
            f"the split puts the {len(row_of) or len(scan.images)} images of {scan.root} {where}: "
            "that proves nothing",
            f"give the split that was made of this folder, with paths as in {scan.images[0].path}",
        )


def _claimed(manifest: Manifest) -> dict[str, list[ManifestRow]]:
    """Rows by the group that the manifest itself says."""
    claimed: dict[str, list[ManifestRow]] = {}
    for row in manifest.rows:
        claimed.setdefault(row.group, []).append(row)
    return claimed


def _unproven(
    scan: FolderScan,
    manifest: Manifest,
    row_of: dict[int, ManifestRow],
    by_file: FoundGroups | None,
) -> Iterator[str]:
    """What the proof does not cover."""
    there = {row.path for row in row_of.values()}
    missing = [row.path for row in manifest.rows if row.path not in there]
    if missing:
        yield (
            f"{len(missing)} of {len(manifest.rows)} images of the split are no readable images "
            f"of {scan.root}: {named(missing)}"
        )
    other = [row.path for at, row in row_of.items() if row.sha256 != scan.images[at].sha256]
    if other:
        yield f"{len(other)} images have changed since the split was made: {named(other)}"
    if by_file is None or not by_file.is_to_name_all:
        return
    alone = [scan.images[place].path for place in row_of if place not in by_file.groups]
    if alone:
        yield f"{len(alone)} images of the split have no group in {by_file.file}: {named(alone)}"
