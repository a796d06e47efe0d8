"""Keys for tokens as `openssl` makes them, and a token with any claims under any key."""

import time
from functools import cache
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from jose import jwt

SECRET = "s" * 40
CURVES = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1()}


def private_key(algorithm: str, number: int = 0, bits: int = 2048, curve: str = "P-256") -> Any:
    """One of any number of keys; the same number, the same key."""
    return _made(algorithm, number, bits, curve)


@cache
def _made(algorithm: str, number: int, bits: int, curve: str) -> Any:
    if algorithm == "RS256":
        return rsa.generate_private_key(65537, bits)
    return ec.generate_private_key(CURVES[curve])


def private_pem(key: Any) -> bytes:
    return bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def public_pem(key: Any) -> bytes:
    form = PublicFormat.SubjectPublicKeyInfo
    return bytes(key.public_key().public_bytes(Encoding.PEM, form))


def public_der(key: Any) -> bytes:
    form = PublicFormat.SubjectPublicKeyInfo
    return bytes(key.public_key().public_bytes(Encoding.DER, form))


def key_file(folder: Path, algorithm: str, number: int = 0, **kind: Any) -> Path:
    """The PEM file of that key."""
    file = folder / f"{algorithm}-{number}.pem"
    file.write_bytes(private_pem(private_key(algorithm, number, **kind)))
    return file


def claims(**changed: Any) -> dict[str, Any]:
    """Those of a good token but for `changed`; None leaves a claim out, times are from now."""
    usual: dict[str, Any] = {
        "sub": "ada",
        "scope": "predict",
        "iss": "leafgate",
        "aud": "leafgate-api",
        "iat": 0,
        "nbf": -1,
        "exp": 300,
        "jti": "1",
    }
    told = {name: value for name, value in {**usual, **changed}.items() if value is not None}
    now = time.time()
    return {k: now + v if k in ("iat", "nbf", "exp") else v for k, v in told.items()}


def signed(key: Any = SECRET, algorithm: str = "HS256", kid: str | None = None, **more: Any) -> str:
    """A token under `key`: a secret, or a private key."""
    material = key if isinstance(key, str | dict) else private_pem(key).decode()
    headers = {"kid": kid} if kid else None
    return str(jwt.encode(claims(**more), material, algorithm, headers=headers))
