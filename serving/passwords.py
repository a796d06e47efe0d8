"""Argon2 password hashes (RFC 9106), with pwdlib's recommended cost."""

from functools import cache

from pwdlib import PasswordHash


@cache
def _hasher() -> PasswordHash:
    return PasswordHash.recommended()


@cache
def _nobody() -> str:
    """A hash to check against where there is no such user, so that both answers take as long."""
    return hash_password("a password that nobody has")


def hash_password(password: str) -> str:
    """The hash to store."""
    return _hasher().hash(password)


def password_fits(password: str, stored_hash: str | None) -> bool:
    """Whether `password` is the one; with None (no such user) False, as slowly."""
    fits = _hasher().verify(password, stored_hash or _nobody())
    return fits and stored_hash is not None
