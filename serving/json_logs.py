"""The log: a JSON object a line where a machine reads it, text on a terminal; never a secret.

Masking works on the finished line, so that arguments, extra fields and tracebacks are
masked too.
"""

import ctypes
import logging
import re
import sys
import warnings
from collections.abc import Iterable
from contextlib import suppress
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

from PIL import _imaging
from pydantic import SecretStr
from pythonjsonlogger.json import JsonFormatter

from leafgate.settings import Settings
from serving.repeated_lines import OneLineACause

REQUEST_ID: ContextVar[str | None] = ContextVar("request_id", default=None)
MASKED = "***"
TEXT = "%(asctime)s %(levelname)s %(name)s %(message)s"
# Alembic tells each migration; the multipart parser each body that a caller spoilt.
QUIET = {"alembic": logging.WARNING, "python_multipart": logging.ERROR}
SHORTEST_SECRET = 8  # characters; a shorter one would blot out ordinary words

# A quoted value, whose quotes a JSON line has escaped, or a bare one up to the next separator.
_VALUE = r"""(?:\\?"[^"\\]*\\?"|'[^']*'|[^\s"'&,;(){}\[\]\\]+)"""
_NAME = r"[\w-]*(?:password|passwd|pwd|secret|api_?key|audit_key|identity_key|token)"
PATTERNS = (
    (re.compile(r"\b(bearer|authorization\W{1,4}basic)\s+[\w.~+/=-]{8,}", re.I), rf"\1 {MASKED}"),
    (re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]*"), MASKED),
    (re.compile(r"""(://[^\s/:@"']*:)[^\s/"']+@"""), rf"\1{MASKED}@"),
    (re.compile(rf"""\b({_NAME}\\?["']?\s*[=:]\s*){_VALUE}""", re.I), rf"\1{MASKED}"),
)


class Mask:
    """Blots secrets out of a text: those of known shapes, and given ones wherever they stand."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        known = [re.escape(secret) for secret in secrets if len(secret) >= SHORTEST_SECRET]
        self._known = re.compile("|".join(known)) if known else None

    def __call__(self, text: str) -> str:
        """The text without them."""
        if self._known:
            text = self._known.sub(MASKED, text)
        for pattern, masked in PATTERNS:
            text = pattern.sub(masked, text)
        return text


def secrets_of(settings: Settings) -> list[str]:
    """Every setting that is a secret, in the clear."""
    values = (v.get_secret_value() for _, v in settings if isinstance(v, SecretStr))
    return [secret for value in values for secret in value.split(",")]


class TextLines(logging.Formatter):
    """For a person: time, level, logger, message, and the request's id where there is one."""

    def __init__(self, mask: Mask) -> None:
        super().__init__(TEXT)
        self._mask = mask

    def format(self, record: logging.LogRecord) -> str:
        """One line, and a traceback's."""
        request_id = REQUEST_ID.get()
        told = super().format(record)
        return self._mask(f"{told} [{request_id}]" if request_id else told)


class JsonLines(JsonFormatter):
    """For a machine: time (UTC), level, logger, message, request_id, exc_info, extra fields."""

    def __init__(self, mask: Mask) -> None:
        super().__init__()
        self._mask = mask

    def add_fields(
        self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]
    ) -> None:
        """What stands in each line."""
        super().add_fields(log_data, record, message_dict)
        first: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
        }
        if request_id := REQUEST_ID.get():
            first["request_id"] = request_id
        rest = {key: value for key, value in log_data.items() if key not in ("color_message",)}
        log_data.clear()
        log_data.update({**first, **rest})

    def format(self, record: logging.LogRecord) -> str:
        """One JSON object on one line."""
        return self._mask(super().format(record))


def set_up_logging(settings: Settings) -> None:
    """Send everything from INFO on to standard error, in the form that is set."""
    mask = Mask(secrets_of(settings))
    text = settings.log_format == "text" or (settings.log_format == "auto" and sys.stderr.isatty())
    handler = logging.StreamHandler()
    handler.setFormatter(TextLines(mask) if text else JsonLines(mask))
    handler.addFilter(OneLineACause(handler))
    logging.basicConfig(handlers=[handler], level="INFO", force=True)
    for name, level in QUIET.items():
        logging.getLogger(name).setLevel(level)
    warnings.filterwarnings("ignore", module="PIL")  # of any sender's damaged files
    silence_libtiff()


def silence_libtiff() -> None:
    """Have libtiff, which Pillow loads, write nothing to standard error: for each row of a damaged
    fax it would write a line, megabytes for one file.
    """
    with suppress(OSError, AttributeError):  # a Pillow whose libtiff cannot be reached
        library = ctypes.CDLL(_imaging.__file__)
        for name in ("TIFFSetErrorHandler", "TIFFSetWarningHandler"):
            setter = getattr(library, name)
            setter.restype, setter.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
            setter(None)
