"""Classified images, kept by the hash of their bytes where the setting says so; else nothing is."""

import logging

from leafgate.files import whole
from leafgate.settings import Settings

log = logging.getLogger(__name__)


class Uploads:
    """Files `var/uploads/ab/abcdef…`. Privacy: off unless `LEAFGATE_KEEP_UPLOADS` is set."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def keep(self, sha256: str, data: bytes) -> None:
        """Write the bytes, once. A disk at fault is logged: the answer does not depend on it."""
        file = self._settings.upload_file(sha256)
        if not self._settings.keep_uploads or file.is_file():
            return
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with whole(file) as beside:
                beside.write_bytes(data)
        except OSError as error:
            log.warning("an upload could not be kept: %s", error)
