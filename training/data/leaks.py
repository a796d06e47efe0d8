"""Proof that a split does not leak: the leaf groups are found anew, and none lies on two sides."""

from dataclasses import asdict, dataclass
from pathlib import Path

from leafgate.manifest import Manifest
from training.data.conflicts import find_conflicts
from training.data.folder import FolderScan
from training.data.leaf_groups import leaf_groups


@dataclass(frozen=True)
class Leak:
    """One group that is on two sides or more. images: pairs of path and side."""

    images: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class LeakReport:
    """What was looked at, and what was found.

    unknown: images of the folder that have no side. excluded: those that have none since the same
    picture is filed under another class too.
    """

    images: int
    groups: int
    largest_group: int
    leaks: tuple[Leak, ...]
    unknown: tuple[str, ...]
    manifest_digest: str
    excluded: tuple[str, ...] = ()

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
        return told


def find_leaks(scan: FolderScan, manifest: Manifest, groups_file: Path | None = None) -> LeakReport:
    """Group the images of `scan` anew, by names, bytes and looks, and compare with the sides."""
    side_of = {row.path: row.side for row in manifest.rows}
    claimed: dict[str, set[str]] = {}
    for row in manifest.rows:
        claimed.setdefault(row.group, set()).add(row.path)
    found = [{image.path for image in group} for group in leaf_groups(scan, groups_file)]
    leaks = {
        Leak(tuple(sorted((path, str(side_of[path])) for path in group if path in side_of)))
        for group in [*found, *claimed.values()]
        if len({side_of[path] for path in group if path in side_of}) > 1
    }
    filed_twice = {path for conflict in find_conflicts(scan) for path in conflict.paths}
    nowhere = [image.path for image in scan.images if image.path not in side_of]
    return LeakReport(
        images=len(scan.images),
        groups=len(found),
        largest_group=max(map(len, found)),
        leaks=tuple(sorted(leaks, key=lambda leak: leak.images)),
        unknown=tuple(path for path in nowhere if path not in filed_twice),
        manifest_digest=manifest.digest,
        excluded=tuple(path for path in nowhere if path in filed_twice),
    )
