"""Data sets that come as a ZIP archive: proven first, unpacked whole or not at all."""

import lzma
import os
import re
import shutil
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from leafgate.errors import UserError
from leafgate.images import SUFFIXES
from leafgate.progress import progress
from training.data.folder_tree import is_system

DRIVE = re.compile(r"[A-Za-z]:[\\/]")
ENCRYPTED = 0x1  # of a member's flags
DAMAGED = (zipfile.BadZipFile, EOFError, zlib.error, lzma.LZMAError, ValueError, IndexError)


def unpack(archive: Path, out: Path) -> None:
    """Verify and unpack beside `out`, then rename.

    Raises UserError for an archive that is damaged or encrypted, that writes elsewhere, or that
    holds no images; and OSError where the disk is full.
    """
    beside = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        with zipfile.ZipFile(archive) as opened:
            members = [item for item in opened.infolist() if not item.is_dir()]
            _require_harmless(archive, members, out)
            with progress("unpacking", len(members)) as advance:
                for member in members:
                    opened.extract(member, beside)  # checks each file's CRC
                    advance()
        require_images(beside, archive.name)
        beside.rename(out)
    except NotImplementedError as error:
        raise UserError(
            f"the archive {archive.name} is packed in a way that Python cannot read ({error})",
            "download it with a browser, unpack it, and give its folder as --data",
            code="archive_unreadable",
        ) from error
    except (IsADirectoryError, NotADirectoryError, RecursionError) as error:
        raise UserError(
            f"the archive {archive.name} cannot be unpacked: a name is a file's and a folder's at "
            "once, or its folders are nested too deeply",
            "do not use this archive",
            code="archive_unsafe",
        ) from error
    except DAMAGED as error:
        archive.unlink()
        raise UserError(
            f"the archive {archive.name} is damaged ({error})",
            "it was removed: give the command again",
            code="archive_damaged",
        ) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _require_harmless(archive: Path, members: list[zipfile.ZipInfo], out: Path) -> None:
    for member in members:
        path = PurePosixPath(member.filename.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or DRIVE.match(member.filename):
            raise UserError(
                f"the archive wants to write to {member.filename}",
                "do not use this archive",
                code="archive_unsafe",
            )
        if member.flag_bits & ENCRYPTED:
            raise UserError(
                f"the archive {archive.name} is encrypted",
                "download it with a browser, unpack it with its password, and give its folder as "
                "--data",
                code="archive_encrypted",
            )
    needed, free = sum(member.file_size for member in members), shutil.disk_usage(out.parent).free
    if needed > free:
        raise UserError(
            f"the disk with {out} is full: {archive.name} unpacks to {needed / 2**30:.1f} GiB, "
            f"{free / 2**30:.1f} GiB are free",
            "free some and give the command again: what is downloaded is not downloaded again",
            code="disk_full",
        )


def require_images(root: Path, name: str) -> None:
    """Raises UserError where no file below `root` is an image."""
    if not class_parents(root):
        raise UserError(
            f"no images in {name}",
            f"choose a data set with image files ({', '.join(sorted(SUFFIXES))})",
            code="no_images",
        )


def class_parents(root: Path) -> set[Path]:
    """The folders below `root`, itself included, whose own folders hold images."""
    images = (file for file in root.rglob("*") if file.suffix.lower() in SUFFIXES)
    return {
        root if file.parent == root else file.parent.parent
        for file in images
        if not any(map(is_system, file.relative_to(root).parts))
    }
