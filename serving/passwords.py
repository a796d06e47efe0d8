"""Argon2 password hashes (RFC 9106), with pwdlib's recommended cost."""

from functools import cache

from pwdlib import PasswordHash

from leafgate.errors import UserError

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
    return _hasher().hash(_bytes(password))


def require_good_password(password: str) -> None:
    """Raises UserError for one that is too short to keep anybody out, or absurdly long.

    NIST SP 800-63B: a length, and no rules about the kinds of characters.
    """
    if not MIN_CHARACTERS <= len(password) <= MAX_CHARACTERS:
        raise UserError(
            f"the password has {len(password)} characters",
            f"choose one of {MIN_CHARACTERS} to {MAX_CHARACTERS}; several words are a good one",
            code="bad_password",
        )


def password_fits(password: str, stored_hash: str | None) -> bool:
    """Whether `password` is the one; with None (no such user) False, as slowly."""
    given = _bytes(password[: MAX_CHARACTERS + 1])
    fits = _hasher().verify(given, stored_hash or _nobody())
    return fits and stored_hash is not None


def _bytes(password: str) -> bytes:
    """As UTF-8; a caller can send lone surrogates, which are part of no password but their own."""
    return password.encode("utf-8", "surrogatepass")
