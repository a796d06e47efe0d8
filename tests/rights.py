"""Who may read files: their modes."""

import stat
from pathlib import Path


def mode(path: Path) -> int:
    """The bits of owner, group and others."""
    return stat.S_IMODE(path.lstat().st_mode)


def open_to_others(folder: Path) -> list[str]:
    """What in a folder, or the folder itself, the group or others have a right on."""
    every = (folder, *folder.rglob("*"))
    return [str(path) for path in every if mode(path) & 0o077 and not path.is_symlink()]
