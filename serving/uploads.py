"""Classified images, kept by the hash of their bytes where the setting says so; else nothing is.

A thread removes what is older than `keep_uploads_days` and, oldest first, what is beyond
`keep_uploads_mb`: every minute in which this process kept something, sooner where it kept much,
and hourly in any case. What was kept before the setting was turned off still goes by its age.
"""

import logging
import os
import threading
import time

from leafgate.files import whole
from leafgate.settings import Settings
from leafgate.upload_folder import Removed, kept_in, remove, too_many, too_old

log = logging.getLogger(__name__)

SWEEP_SECONDS = 60.0
IDLE_SWEEP_SECONDS = 3600.0
HURRY = 16  # a process that has kept this part of the whole space does not wait for the minute
DAY_SECONDS = 24 * 3600


class Uploads:
    """Files `var/uploads/ab/abcdef…`. Privacy: off unless `LEAFGATE_KEEP_UPLOADS` is set.

    Several processes may share the folder: each sweeps it, and what another one removed is gone.
    """

    def __init__(self, settings: Settings, sweep_seconds: float = SWEEP_SECONDS) -> None:
        self._settings = settings
        self._most_bytes = settings.keep_uploads_mb * 2**20
        self._sweep_seconds = sweep_seconds
        self._changed = threading.Condition()
        self._kept_bytes = self._failures = 0  # since the last sweep began
        self._stopping = False
        self._thread = threading.Thread(target=self._follow, name="uploads", daemon=True)

    def start(self) -> None:
        """Remove what is too old or too much, from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Remove nothing any more."""
        with self._changed:
            self._stopping = True
            self._changed.notify()

    def keep(self, sha256: str, data: bytes) -> None:
        """Write the bytes, or make the file that is there count as new. A disk at fault is logged,
        once a sweep: the answer does not depend on it.
        """
        if not self._settings.keep_uploads:
            return
        try:
            if not self._renewed(sha256):
                self._write(sha256, data)
        except OSError as error:
            with self._changed:
                self._failures += 1
                first = self._failures == 1
            if first:
                log.warning("an upload could not be kept: %s", error)

    def sweep(self) -> Removed:
        """Remove now. Raises OSError where the folder cannot be read."""
        kept = kept_in(self._settings.uploads_dir)
        old = too_old(kept, time.time() - self._settings.keep_uploads_days * DAY_SECONDS)
        gone = old + too_many(kept[len(old) :], self._most_bytes)
        return remove(gone)

    def _renewed(self, sha256: str) -> bool:
        try:
            os.utime(self._settings.upload_file(sha256))
        except FileNotFoundError:
            return False
        return True

    def _write(self, sha256: str, data: bytes) -> None:
        file = self._settings.upload_file(sha256)
        file.parent.mkdir(parents=True, exist_ok=True)
        with whole(file) as beside:
            beside.write_bytes(data)
        with self._changed:
            self._kept_bytes += len(data)
            if self._hurries():
                self._changed.notify()

    def _hurries(self) -> bool:
        return self._kept_bytes * HURRY > self._most_bytes

    def _follow(self) -> None:
        idle_until = 0.0
        while not self._stopping:
            if self._kept_bytes or time.monotonic() >= idle_until:
                idle_until = time.monotonic() + IDLE_SWEEP_SECONDS
                self._sweep_and_tell()
            with self._changed:
                self._changed.wait_for(
                    lambda: self._stopping or self._hurries(), self._sweep_seconds
                )

    def _sweep_and_tell(self) -> None:
        with self._changed:
            failures, self._failures, self._kept_bytes = self._failures, 0, 0
        if failures > 1:
            log.warning("%d uploads could not be kept", failures)
        try:
            gone = self.sweep()
        except Exception as error:  # noqa: BLE001 - this thread must outlive whatever happens
            log.warning("kept uploads could not be swept: %s", error)
            return
        if gone.files:
            told = {"removed_files": gone.files, "removed_bytes": gone.size}
            log.info("%d kept uploads removed (%d bytes)", gone.files, gone.size, extra=told)
