"""Files that are seen whole or not at all, and for their owner alone."""

import os
import stat
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PRIVATE = 0o077  # as a umask: nothing for the group and for others
# What LeafGate keeps directly in its state folder (LEAFGATE_VAR_DIR).
STATE_FILES = ("audit.key", "identity.key", "leafgate.db", "mlflow.token")
STATE_FOLDERS = (
    *("demo", "gate", "metrics", "mlflow", "models", "outbox", "serving", "tmp", "training"),
    "uploads",
)


def keep_files_private() -> None:
    """Whatever this process and its children write from now on is for this user alone."""
    os.umask(PRIVATE)


def narrow_state(folder: Path) -> list[str]:
    """Take the rights of the group and of others from a state folder that was made with them.

    Only from what is LeafGate's in it; from the folder itself where it is this user's and holds
    nothing else. Links are not followed. Returns what other users can still read or change.
    """
    try:
        entries = sorted(folder.iterdir())
        before = folder.lstat()
        ours = [entry for entry in entries if _is_state(entry)]
        stores = (folder / "mlflow" / "mlflow.db", folder / "outbox")
        if not any(entry.is_file() for entry in ours) and not any(map(Path.exists, stores)):
            return []
        wide = _is_wide(before) or any(_is_wide(entry.lstat()) for entry in ours)
    except OSError:  # it is made later, or cannot be read, which its first use says
        return []
    problems: list[str] = []
    others = [each for each in entries if each not in ours and not each.name.startswith(".")]
    if before.st_uid == os.geteuid() and not others:
        _narrow(folder, before, problems)
    if wide:
        for entry in ours:
            _narrow_tree(entry, problems)
    mode = folder.lstat().st_mode
    if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
        problems.append(f"{folder} can be changed by other users")
    return problems


def _is_state(entry: Path) -> bool:
    name = entry.name.removeprefix(".")  # as it is while it is written
    return name in STATE_FOLDERS or name.startswith(STATE_FILES)


def _is_wide(status: os.stat_result) -> bool:
    return bool(status.st_mode & PRIVATE) and not stat.S_ISLNK(status.st_mode)


def _narrow_tree(root: Path, problems: list[str]) -> None:
    try:
        status = root.lstat()
        _narrow(root, status, problems)
        if stat.S_ISDIR(status.st_mode):
            for entry in root.iterdir():
                _narrow_tree(entry, problems)
    except FileNotFoundError:
        return  # another process has removed it meanwhile
    except OSError as error:
        problems.append(f"{root} cannot be looked into ({error.strerror})")


def _narrow(path: Path, status: os.stat_result, problems: list[str]) -> None:
    if not _is_wide(status):
        return
    try:
        path.chmod(stat.S_IMODE(status.st_mode) & ~PRIVATE)
    except FileNotFoundError:
        return
    except OSError as error:
        problems.append(f"{path} can be read by other users ({error.strerror})")


@contextmanager
def whole(file: Path) -> Iterator[Path]:
    """A path to write to, that becomes `file` where all goes well and is removed where not."""
    beside = file.with_name(f".{file.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        yield beside
        beside.replace(file)
    finally:
        beside.unlink(missing_ok=True)


def write_secret_once(file: Path, text: str) -> None:
    """Write `file` (mode 0600) whole, and its folder; nothing happens where it is there.

    A link rather than a rename, which would replace the key that a second process made and has
    perhaps used. Raises OSError.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    beside = Path(name)
    try:
        with os.fdopen(handle, "w") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        file.hardlink_to(beside)
    except FileExistsError:
        pass
    finally:
        beside.unlink()
