"""The keys that sign and verify tokens; with `tokens.py` the only module that knows python-jose.

jose's classes over `cryptography` are named here, so that its pure Python rivals, and `ecdsa`
(CVE-2024-23342) among them, are never reached. Key ids are RFC 7638 thumbprints; the id of a
secret is made with the secret, and tells nothing of it.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jose.backends.base import Key
from jose.backends.cryptography_backend import (
    CryptographyECKey,
    CryptographyHMACKey,
    CryptographyRSAKey,
)
from jose.exceptions import JOSEError

from leafgate.errors import UserError
from leafgate.settings import MIN_SECRET_BYTES, Settings
from leafgate.strict_json import dump_json

MIN_RSA_BITS = 2048
MEMBERS = {"RS256": ("RSA", ("e", "kty", "n")), "ES256": ("EC", ("crv", "kty", "x", "y"))}
CLASSES: dict[str, Any] = {"RS256": CryptographyRSAKey, "ES256": CryptographyECKey}
WANTED = {"RS256": f"an RSA key of {MIN_RSA_BITS} bits or more", "ES256": "a key on P-256"}
MAKE = {
    "RS256": "`openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072 -out key.pem`",
    "ES256": "`openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out key.pem`",
}
# Whatever a broken or hostile key makes jose, json or cryptography raise.
UNUSABLE = (JOSEError, ValueError, TypeError, KeyError, AttributeError)


@dataclass(frozen=True)
class KeySet:
    """Keys by id, all of one algorithm. signing: None where somebody else issues the tokens."""

    algorithm: str
    verifying: Mapping[str, Key]
    signing: tuple[str, Key] | None = None

    def of(self, key_id: object) -> list[Key]:
        """The keys that may have signed: the one named, or all where none is; none if unknown."""
        if key_id is None:
            return list(self.verifying.values())
        found = self.verifying.get(key_id) if isinstance(key_id, str) else None
        return [found] if found else []

    def public(self) -> list[dict[str, str]]:
        """The public keys as JWKs; of a secret there is none."""
        if self.algorithm not in MEMBERS:
            return []
        told = {"use": "sig", "alg": self.algorithm}
        return [
            {**_public_members(key, self.algorithm), **told, "kid": key_id}
            for key_id, key in self.verifying.items()
        ]


def own_keys(settings: Settings) -> KeySet:
    """The configured keys of our own. Raises UserError where one is missing or unusable."""
    return _secrets(settings) if settings.jwt_algorithm == "HS256" else _key_files(settings)


def provided_keys(document: str | bytes, algorithm: str, source: str) -> KeySet:
    """An identity provider's key set (RFC 7517); members for other uses are left out.

    Raises UserError `no_token_key` where it holds none that fits `algorithm`.
    """
    try:
        listed = json.loads(document)["keys"]
        found = [item for item in listed if _is_meant_for(item, algorithm)]
    except UNUSABLE as error:
        raise _unusable(source, f"it is no key set ({error!r})", algorithm) from None
    keys = {key_id: key for item in found for key_id, key in _provided_key(item, algorithm)}
    if not keys:
        raise _unusable(source, "it holds no such key", algorithm)
    return KeySet(algorithm, keys)


def _secrets(settings: Settings) -> KeySet:
    old = settings.jwt_old_secrets.get_secret_value() if settings.jwt_old_secrets else ""
    former = [word.strip() for word in old.split(",") if word.strip()]
    named = [("LEAFGATE_JWT_SECRET", settings.require_jwt_secret())]
    named += [
        (f"entry {number} of LEAFGATE_JWT_OLD_SECRETS", secret)
        for number, secret in enumerate(former, start=1)
    ]
    keys = [_secret(name, value) for name, value in named]
    return KeySet("HS256", dict(keys), signing=keys[0])


def _secret(name: str, value: str) -> tuple[str, Key]:
    fix = "set it to the output of `openssl rand -hex 32`"
    if len(value.encode()) < MIN_SECRET_BYTES:
        raise UserError(f"{name} is shorter than {MIN_SECRET_BYTES} bytes", fix, code="no_secret")
    try:
        key = CryptographyHMACKey(value, "HS256")
    except JOSEError:
        key = None
    if key is None or "-----BEGIN" in value or '"kty"' in value:
        # Whoever knows the public half could sign with it.
        raise UserError(f"{name} is a key or a certificate, no secret", fix, code="no_secret")
    mark = hmac.new(value.encode(), b"leafgate key id", hashlib.sha256).hexdigest()
    return mark[:16], key


def _key_files(settings: Settings) -> KeySet:
    files = [Path(word.strip()) for word in settings.jwt_keys.split(",") if word.strip()]
    algorithm = settings.jwt_algorithm
    if not files:
        raise UserError(
            f"LEAFGATE_JWT_ALGORITHM is {algorithm} and there is no key",
            f"set LEAFGATE_JWT_KEYS to a file made with {MAKE[algorithm]}, or LEAFGATE_JWT_JWKS "
            "to the key set of your identity provider",
            code="no_token_key",
        )
    keys = [_key_file(file, algorithm) for file in files]
    if keys[0].is_public():
        raise _unusable(str(files[0]), "it is public and cannot sign", algorithm)
    named = [(thumbprint(key, algorithm), key) for key in keys]
    public = {key_id: key.public_key() for key_id, key in named}
    return KeySet(algorithm, public, signing=named[0])


def _key_file(file: Path, algorithm: str) -> Key:
    try:
        key: Key = CLASSES[algorithm](file.read_bytes(), algorithm)
    except OSError as error:
        raise _unusable(str(file), f"it cannot be read ({error.strerror})", algorithm) from None
    except UNUSABLE:
        raise _unusable(str(file), "it is no PEM file of a plain key", algorithm) from None
    if not _is_strong(key, algorithm):
        raise _unusable(str(file), f"it is not {WANTED[algorithm]}", algorithm)
    return key


def _unusable(source: str, why: str, algorithm: str) -> UserError:
    fix = f"{algorithm} needs {WANTED[algorithm]}; {MAKE[algorithm]} makes one"
    return UserError(f"{source} cannot be used for tokens: {why}", fix, code="no_token_key")


def _is_meant_for(item: Any, algorithm: str) -> bool:  # noqa: ANN401 - JSON
    """Whether a JWK is there to verify signatures of this algorithm."""
    return (
        isinstance(item, Mapping)
        and item.get("kty") == MEMBERS[algorithm][0]
        and (item.get("use") or "sig") == "sig"
        and (item.get("alg") or algorithm) == algorithm
        and "verify" in (_texts(item.get("key_ops")) or ["verify"])
    )


def _texts(value: object) -> list[object]:
    """A list of JSON; empty for anything else: one odd key must not spoil the others."""
    return value if isinstance(value, list) else []


def _provided_key(item: Mapping[str, Any], algorithm: str) -> Iterable[tuple[str, Key]]:
    """The key of one JWK under its id; nothing where it is weak or broken."""
    try:
        # Its public members alone: a private key that a provider published by mistake stays out.
        public = {name: item[name] for name in MEMBERS[algorithm][1]}
        key: Key = CLASSES[algorithm](public, algorithm)
        if _is_strong(key, algorithm):
            yield str(item.get("kid") or thumbprint(key, algorithm)), key
    except UNUSABLE:
        return


def _is_strong(key: Key, algorithm: str) -> bool:
    try:
        members = _public_members(key, algorithm)
    except UNUSABLE:
        return False  # a key of the other family
    if algorithm == "ES256":
        return members["crv"] == "P-256"
    return int(key.prepared_key.key_size) >= MIN_RSA_BITS


def thumbprint(key: Key, algorithm: str) -> str:
    """RFC 7638: the SHA-256 of the public members, in Base64url without padding."""
    return _digest(_public_members(key, algorithm), MEMBERS[algorithm][1])


def _digest(members: Mapping[str, str], names: Sequence[str]) -> str:
    text = dump_json({name: members[name] for name in names}, separators=(",", ":"))
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")


def _public_members(key: Key, algorithm: str) -> dict[str, str]:
    told = key.public_key().to_dict()
    return {name: told[name] for name in MEMBERS[algorithm][1]}
