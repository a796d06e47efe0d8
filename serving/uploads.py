"""Classified images, kept by the hash of their bytes where the setting says so; else nothing is."""

import logging
from pathlib import Path

from leafgate.files import whole
from leafgate.settings import Settings

log = logging.getLogger(__name__)


class Uploads:
    """Files `var/uploads/ab/abcdef…`. Privacy: off unless `LEAFGATE_KEEP_UPLOADS` is set."""

    def __init__(self, settings: Settings) -> None:
        self.folder = settings.var_dir / "uploads"
        self.kept = settings.keep_uploads

    def keep(self, sha256: str, data: bytes) -> None:
        """Write the bytes, once. A disk at fault is logged: the answer does not depend on it."""
        file = self.file_of(sha256)
        if not self.kept or file.is_file():
            return
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with whole(file) as beside:
                beside.write_bytes(data)
        except OSError as error:
            log.warning("an upload could not be kept: %s", error)

    def file_of(self, sha256: str) -> Path:
        """Where the bytes of that hash are, if they were kept."""
        return self.folder / sha256[:2] / sha256
