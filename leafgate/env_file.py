"""The file `.env`: whether it is text that settings can be read from."""

import codecs
from pathlib import Path

from leafgate.errors import UserError

UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def require_text(file: Path) -> None:
    """Raise UserError `bad_env_file` where the file is there and is no text in UTF-8.

    A mark at its start (BOM) that says UTF-8 is allowed. Nothing of the file is quoted: it holds
    secrets.
    """
    try:
        data = file.read_bytes() if file.is_file() else b""
    except OSError as error:
        raise UserError(
            f"{file.absolute()} cannot be read ({error.strerror})",
            "give this user the right to read it, or start from another folder",
            code="bad_env_file",
        ) from error
    if data.startswith(UTF_16):
        raise _not_text(file, "is in UTF-16, as PowerShell writes it")
    if b"\0" in data:
        raise _not_text(file, f"has a NUL byte in line {_line(data, data.index(0))}")
    try:
        data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _not_text(file, f"is not UTF-8 in line {_line(data, error.start)}") from None


def _line(data: bytes, position: int) -> int:
    return data.count(b"\n", 0, position) + 1


def _not_text(file: Path, what: str) -> UserError:
    return UserError(
        f"{file.absolute()} {what}",
        'save it again as UTF-8 (in an editor: "save with encoding"; in PowerShell: `Set-Content '
        "-Encoding utf8`)",
        code="bad_env_file",
    )
