"""The split of a folder, kept until something in the folder changes.

Reading every image and searching for near copies takes minutes where there are thousands; a second
`leafgate demo` on the same folder needs the outcome alone. What tells whether it is the same are
the names, sizes and times of change of all files, so nothing is opened.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from leafgate import __version__
from leafgate.errors import UserError
from leafgate.files import whole
from leafgate.manifest import Manifest
from leafgate.split_origin import SplitOrigin
from leafgate.strict_json import dump_json

RECIPE = 1  # raised where the same folder would be divided in another way


@dataclass(frozen=True)
class KeptSplit:
    """The split of one folder under one choice of options. file: what is known of it."""

    file: Path
    root: Path
    listing: str

    @classmethod
    def of(cls, state: Path, root: Path, *options: object) -> Self:
        """state: the folder that splits are kept in. options: all that the split depends on."""
        told = dump_json([str(root), *map(str, options)], ensure_ascii=True)
        name = hashlib.sha256(told.encode()).hexdigest()[:12]
        return cls(state / f"split-of-{name}.json", root, _listing(root))

    def load(self) -> tuple[Manifest, list[str], Path] | None:
        """The split, what was said of it, and its file; None where there is none of these files."""
        if not self.listing:
            return None
        try:
            known = json.loads(self.file.read_text(encoding="utf-8"))
            if known["listing"] != self.listing:
                return None
            file = self.file.with_name(str(known["manifest"]))
            manifest = Manifest.load(file, self.root)
            if manifest.digest != known["digest"]:
                return None
            made_here = replace(manifest, origin=manifest.origin or SplitOrigin())
            return made_here, [str(line) for line in known["told"]], file
        except (OSError, ValueError, KeyError, TypeError, UserError):
            return None

    def save(self, manifest: Manifest, told: list[str], file: Path) -> None:
        """Keep a split that was just made. told: what was said of it; file: where it lies."""
        known = {
            "listing": self.listing,
            "manifest": file.name,
            "digest": manifest.digest,
            "told": told,
        }
        with whole(self.file) as beside:
            text = dump_json(known, indent=2)
            beside.write_text(text, encoding="utf-8", errors="backslashreplace")


def _listing(root: Path) -> str:
    """SHA-256 of the names, sizes and times of all files; empty where links lead elsewhere."""
    digest = hashlib.sha256(dump_json([RECIPE, __version__]).encode())
    try:
        for entry in sorted(_entries(root), key=lambda each: each.path):
            status = entry.stat(follow_symlinks=False)
            place = os.fsencode(os.path.relpath(entry.path, root))
            digest.update(b"%s\0%d\0%d\n" % (place, status.st_size, status.st_mtime_ns))
    except _Linked:
        return ""
    except OSError:  # the folder's reader says what is wrong with it
        return ""
    return digest.hexdigest()


class _Linked(Exception):
    """There is a link, behind which anything may change."""


def _entries(folder: Path | str) -> Iterator["os.DirEntry[str]"]:
    with os.scandir(folder) as found:
        for entry in found:
            if entry.is_symlink():
                raise _Linked
            if entry.is_dir():
                yield from _entries(entry.path)
            else:
                yield entry
