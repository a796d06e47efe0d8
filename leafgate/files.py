"""Files that are seen whole or not at all."""

import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


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
