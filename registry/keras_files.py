"""Files of weights that Keras offers: from its cache, or downloaded into it.

The cache is Keras's own, so a download of either serves both. Keras would wait for minutes on a
network that drops packets, once for each address of the server; here a stalled download ends.
"""

import hashlib
import os
import queue
import tempfile
import threading
import urllib.request
from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from leafgate.files import whole
from leafgate.progress import progress

PATIENCE_SECONDS = 20.0  # for the first part of a file, and for each that follows
PART_BYTES = 2**18
FOLDER = "models"  # of the cache


class KerasFile(NamedTuple):
    """A file that Keras offers for download. md5: in hex, as Keras checks it."""

    url: str
    md5: str

    @property
    def name(self) -> str:
        """What it is called in the cache."""
        return self.url.rpartition("/")[2]

    def is_same(self, file: Path) -> bool:
        """Whether that file holds just this. Raises OSError where it cannot be read."""
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, _md5).hexdigest() == self.md5


class FileUnavailableError(Exception):
    """Why a file can neither be found in the cache nor downloaded, in words."""


def fetch_keras_file(wanted: KerasFile, may_download: bool = True) -> Path:
    """Where the file lies in Keras's cache, downloaded first where it is missing or damaged.

    Raises FileUnavailableError: at once where the network refuses, after 20 s where it is silent.
    """
    damaged = ""
    for folder in _cache_folders():
        file = folder / wanted.name
        try:
            if wanted.is_same(file):
                return file
            damaged = f"{file} is damaged; "
        except FileNotFoundError:
            pass
        except OSError as error:
            damaged = f"{file} cannot be read: {error.strerror}; "
    if not may_download:
        raise FileUnavailableError(f"{damaged or 'it is not in the cache; '}no download is allowed")
    try:
        return _download(wanted)
    except Exception as error:  # of urllib, http.client, ssl, and of a proxy's address
        raise FileUnavailableError(f"{damaged}{_reason(error, wanted)}") from error


def _cache_folders() -> tuple[Path, Path]:
    """Keras's, and the one that it falls back to where that cannot be written to."""
    home = Path(os.environ.get("KERAS_HOME") or "~/.keras").expanduser()
    return home / FOLDER, Path(tempfile.gettempdir()) / ".keras" / FOLDER


def _writable_folder() -> Path:
    """The first cache folder that a file can be written into. Raises OSError where none can."""
    preferred, fallback = _cache_folders()
    try:
        preferred.mkdir(parents=True, exist_ok=True)
        if os.access(preferred, os.W_OK):
            return preferred
    except OSError:
        pass
    fallback.mkdir(parents=True, exist_ok=True)
    return fallback


def _download(wanted: KerasFile) -> Path:
    target = _writable_folder() / wanted.name
    with whole(target) as beside:
        with beside.open("wb") as stream, closing(_parts(wanted.url)) as parts:
            total = int(next(parts))
            with progress(f"downloading {wanted.name}", -(-total // PART_BYTES)) as advance:
                for part in parts:
                    stream.write(part)
                    advance()
        if not wanted.is_same(beside):
            raise ValueError("what was downloaded is another file, or not all of it")
    return target


def _parts(url: str) -> Generator[bytes]:
    """The length of what lies there, in digits (0 where not told), then its bytes in parts.

    A thread reads, since neither looking a name up nor trying a server's addresses one after the
    other is bounded by a socket's timeout. Raises TimeoutError where nothing comes for 20 s.
    """
    read: queue.SimpleQueue[bytes | Exception] = queue.SimpleQueue()
    stopped = threading.Event()
    threading.Thread(target=_read, args=(url, read, stopped), daemon=True).start()
    try:
        while True:
            try:
                part = read.get(timeout=PATIENCE_SECONDS)
            except queue.Empty:
                raise TimeoutError from None
            if isinstance(part, Exception):
                raise part
            if not part:
                return
            yield part
    finally:
        stopped.set()


def _read(url: str, read: "queue.SimpleQueue[bytes | Exception]", stopped: threading.Event) -> None:
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE_SECONDS) as answer:  # noqa: S310 - ours
            read.put(str(answer.length or 0).encode())
            while not stopped.is_set() and (part := answer.read(PART_BYTES)):
                read.put(part)
            read.put(b"")
    except Exception as error:  # noqa: BLE001 - raised again where the parts are taken
        read.put(error)


def _reason(error: Exception, wanted: KerasFile) -> str:
    """Why a download failed, in a line."""
    server = urlsplit(wanted.url).hostname
    if isinstance(error, TimeoutError) or isinstance(getattr(error, "reason", None), TimeoutError):
        return f"{server} did not answer within {PATIENCE_SECONDS:g} s"
    words = str(getattr(error, "reason", "") or error).strip() or repr(error)
    return f"{server}: {words.splitlines()[0][:200]}"


def _md5() -> "hashlib._Hash":
    return hashlib.md5(usedforsecurity=False)
