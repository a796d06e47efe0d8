"""Names that stand for users and addresses in the log, and the key that makes them.

HMAC-SHA256 (RFC 2104): the same name always gets the same pseudonym, so figures by user still
work, and nobody without the key can find a name by trying them all. Whoever holds the key can,
which makes them personal data for as long as it exists.
"""

import hmac
import os
from pathlib import Path
from typing import Literal

from leafgate.errors import UserError
from leafgate.files import write_secret_once
from leafgate.settings import MIN_SECRET_BYTES, Settings
from leafgate.unicode_forms import nfc

KEY_FILE = "identity.key"
DIGITS = 16  # of 64: that two of a million names share a pseudonym has odds of 1 in 40 million
HOW_TO_MAKE_ONE = "the output of `openssl rand -hex 32`"

Kind = Literal["user", "address"]


def pseudonym(key: bytes, kind: Kind, name: str) -> str:
    """What stands for the name: `user-` or `address-` and 16 hex digits.

    Kinds have domains of their own: a user who is named like an address does not give it away.
    The Unicode form of a name (NFC or NFD) makes no difference.
    """
    told = f"{kind}\0{nfc(name)}".encode("utf-8", "surrogatepass")
    return f"{kind}-{hmac.digest(key, told, 'sha256').hex()[:DIGITS]}"


def identity_key(settings: Settings) -> bytes:
    """The key of LEAFGATE_LOG_IDENTITY_KEY, or with embedded defaults one made for itself.

    Raises UserError: `no_identity_key` where a database is configured and no key is,
    `bad_identity_key` for one that is too short, or a file that cannot be read or written.
    """
    found = find_identity_key(settings)
    if found is not None:
        return found
    if settings.database_url:
        raise UserError(
            "no key to make pseudonyms with (LEAFGATE_LOG_IDENTITY_KEY is not set)",
            f"set it to {HOW_TO_MAKE_ONE}, the same on every host that serves, and keep it "
            "secret; or set LEAFGATE_LOG_IDENTITIES to plain",
            code="no_identity_key",
        )
    return _make_own(settings.var_dir / KEY_FILE)


def find_identity_key(settings: Settings) -> bytes | None:
    """The same key where there is one: nothing is made. Raises UserError (`bad_identity_key`)."""
    given = settings.log_identity_key
    if given is not None and given.get_secret_value().strip():
        return _checked(given.get_secret_value(), "LEAFGATE_LOG_IDENTITY_KEY")
    return None if settings.database_url else _read_own(settings.var_dir / KEY_FILE)


def _make_own(file: Path) -> bytes:
    """Make the key, or take the one that another process has just made."""
    try:
        write_secret_once(file, os.urandom(32).hex() + "\n")
    except OSError as error:
        raise _unusable(file, error) from error
    made = _read_own(file)
    if made is None:
        raise _unusable(file, "it vanished")
    return made


def _read_own(file: Path) -> bytes | None:
    try:
        text = file.read_text("utf-8", errors="replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unusable(file, error) from error
    return _checked(text, f"the key in {file}")


def _checked(text: str, where: str) -> bytes:
    key = text.strip().encode("utf-8", "surrogatepass")
    if len(key) < MIN_SECRET_BYTES:
        raise UserError(
            f"{where} is too short ({len(key)} bytes; at least {MIN_SECRET_BYTES})",
            f"put the key back that was there, or a new one: {HOW_TO_MAKE_ONE}; pseudonyms of "
            "another key are others",
            code="bad_identity_key",
        )
    return key


def _unusable(file: Path, cause: object) -> UserError:
    return UserError(
        f"the key in {file} cannot be read or made ({cause})",
        f"make the folder writable, or set LEAFGATE_LOG_IDENTITY_KEY to {HOW_TO_MAKE_ONE}",
        code="bad_identity_key",
    )
