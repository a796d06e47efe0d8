"""Argon2 password hashes (RFC 9106), with pwdlib's recommended cost.

Passwords are hashed in NFC (RFC 8265, OpaqueString). Hashes of before may be of another form, so
a password with characters beyond ASCII is checked in each of its forms.
"""

from functools import cache

from pwdlib import PasswordHash

from leafgate.errors import UserError
from leafgate.unicode_forms import forms_of, nfc

MIN_CHARACTERS, MAX_CHARACTERS = 8, 1024


@cache
def _hasher() -> PasswordHash:
    return PasswordHash.recommended()


@cache
def _nobody() -> str:
    """A hash to check against where there is no such user, so that both answers take as long."""
    return hash_password("a password that nobody has")


def hash_password(password: str) -> str:
    """The hash to store."""
    return _hasher().hash(_bytes(nfc(password)))


def require_good_password(password: str) -> None:
    """Raises UserError for one that is too short to keep anybody out, absurdly long, or no text.

    NIST SP 800-63B: a length, and no rules about the kinds of characters.
    """
    length = len(nfc(password))
    if any("\ud800" <= each <= "\udfff" for each in password):  # no form can carry these
        raise UserError(
            "the password is not UTF-8",
            "set the terminal to UTF-8 and type it again",
            code="bad_password",
        )
    if not MIN_CHARACTERS <= length <= MAX_CHARACTERS:
        raise UserError(
            f"the password has {length} characters",
            f"choose one of {MIN_CHARACTERS} to {MAX_CHARACTERS}; several words are a good one",
            code="bad_password",
        )


def password_fits(password: str, stored_hash: str | None) -> bool:
    """Whether `password` is the one; with None (no such user) False, as slowly."""
    fits = any(
        _hasher().verify(_bytes(each[: MAX_CHARACTERS + 1]), stored_hash or _nobody())
        for each in forms_of(password)
    )
    return fits and stored_hash is not None


def _bytes(password: str) -> bytes:
    """As UTF-8; a caller can send lone surrogates, which are part of no password but their own."""
    return password.encode("utf-8", "surrogatepass")
