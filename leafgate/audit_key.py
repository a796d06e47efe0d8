"""The Ed25519 keys of the audit chain (RFC 8032): one signs, and any number may vouch.

Whoever only verifies (the API) needs the public key alone, so a host that is broken into cannot
write history. This file alone knows the package `cryptography`.
"""

import hashlib
import os
import re
from pathlib import Path

from leafgate.errors import UserError
from leafgate.files import write_secret_once
from leafgate.settings import Settings

KEY_FILE = "audit.key"
ID_LENGTH = 16
HOW_TO_MAKE_ONE = "the output of `openssl rand -hex 32`"
THIRTY_TWO_BYTES = re.compile(r"[0-9a-fA-F]{64}")


class SigningKey:
    """A private key from its seed (32 bytes). It never shows in print.

    public: 32 bytes; public_key_hex: the same as 64 hex digits, for the hosts that verify; id:
    the first 16 hex digits of the SHA-256 of the public key.
    """

    def __init__(self, seed: bytes) -> None:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        self.public = self._private.public_key().public_bytes_raw()
        self.public_key_hex = self.public.hex()
        self.id = key_id(self.public)

    def __repr__(self) -> str:
        return f"SigningKey({self.id})"

    def sign(self, data: bytes) -> str:
        """The signature of `data`, as 128 hex digits."""
        return self._private.sign(data).hex()


def key_id(public: bytes) -> str:
    """The id of a public key (32 bytes), as records name it."""
    return hashlib.sha256(public).hexdigest()[:ID_LENGTH]


def verifies(public: bytes, signature: str, data: bytes) -> bool:
    """Whether `signature` (hex) is one of `data` by the owner of `public` (32 bytes)."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(public).verify(bytes.fromhex(signature), data)
    except (InvalidSignature, ValueError):
        return False
    return True


def signing_key(settings: Settings) -> SigningKey:
    """The key to sign with: of LEAFGATE_AUDIT_KEY, or with embedded defaults one made for itself.

    Raises UserError: `no_audit_key` where a database is configured and no key is, `bad_audit_key`
    for a value that is none (which is never printed) or a key file that cannot be written.
    """
    given = _configured_key(settings)
    if given is not None:
        return given
    if settings.database_url:
        raise UserError(
            "no key to sign the audit trail with (LEAFGATE_AUDIT_KEY is not set)",
            f"set it to {HOW_TO_MAKE_ONE}, the same on every host that gates, and keep it secret",
            code="no_audit_key",
        )
    return _own_key(settings.var_dir) or _make_own_key(settings.var_dir)


def trusted_keys(settings: Settings) -> dict[str, bytes]:
    """Public keys (32 bytes) by id: of LEAFGATE_AUDIT_PUBLIC_KEYS, and of the own key.

    The own key is that of LEAFGATE_AUDIT_KEY and, with embedded defaults, the one in `var_dir`,
    where it lies there already: nothing is made. Raises UserError (`bad_audit_key`).
    """
    public = _public_keys(settings.audit_public_keys)
    own = (
        _configured_key(settings),
        None if settings.database_url else _own_key(settings.var_dir),
    )
    public += [key.public for key in own if key]
    return {key_id(key): key for key in public}


def _public_keys(listed: str) -> list[bytes]:
    words = [word.strip() for word in listed.split(",")]
    # A private key may have landed here by mistake, so the place is named and not the value.
    return [
        _bytes_of(
            word,
            f"entry {number} of LEAFGATE_AUDIT_PUBLIC_KEYS",
            "list public keys with commas between them",
        )
        for number, word in enumerate(words, start=1)
        if word
    ]


def _configured_key(settings: Settings) -> SigningKey | None:
    value = settings.audit_key.get_secret_value().strip() if settings.audit_key else ""
    if not value:
        return None
    return SigningKey(_bytes_of(value, "LEAFGATE_AUDIT_KEY", f"set it to {HOW_TO_MAKE_ONE}"))


def _own_key(var_dir: Path) -> SigningKey | None:
    file = var_dir / KEY_FILE
    try:
        text = file.read_text("ascii", errors="replace").strip()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unusable(file, error) from error
    remedy = f"put the key back that was there, or set LEAFGATE_AUDIT_KEY to {HOW_TO_MAKE_ONE}"
    return SigningKey(_bytes_of(text, f"the audit key in {file}", remedy))


def _make_own_key(var_dir: Path) -> SigningKey:
    """Make the key, or take the one that another process has just made."""
    file = var_dir / KEY_FILE
    try:
        write_secret_once(file, os.urandom(32).hex() + "\n")
    except OSError as error:
        raise _unusable(file, error) from error
    made = _own_key(var_dir)
    if made is None:
        raise _unusable(file, "it vanished")
    return made


def _bytes_of(text: str, where: str, fix: str) -> bytes:
    if not THIRTY_TWO_BYTES.fullmatch(text):
        raise UserError(
            f"{where} is not 64 hex digits (it has {len(text)} characters)",
            fix,
            code="bad_audit_key",
        )
    return bytes.fromhex(text)


def _unusable(file: Path, cause: object) -> UserError:
    return UserError(
        f"the audit key in {file} cannot be read or made ({cause})",
        f"make the folder writable, or set LEAFGATE_AUDIT_KEY to {HOW_TO_MAKE_ONE}",
        code="bad_audit_key",
    )
