"""Signed tokens (JWT, RFC 7519), issued and read; with `token_keys.py` alone in knowing jose.

One algorithm, pinned by a setting and never read from the token; issuer, audience, subject and
expiry are required, since jose accepts a token without them unless told otherwise. `iat`, `nbf` and
`jti` are optional (RFC 7519), and what else an identity provider writes: `serving.token_claims`.
What was verified once is remembered, and its times are checked at every use.
"""

import hashlib
import re
import time
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from jose import jwt
from jose.backends.base import Key
from jose.exceptions import ExpiredSignatureError, JOSEError

from leafgate.errors import UserError
from leafgate.settings import Settings
from serving.key_source import KeySource
from serving.token_claims import (
    SIGN_IN,
    Claims,
    Reading,
    expiry_of,
    forgotten_at,
    invalid_token,
    revoked_as,
)
from serving.token_keys import KeySet
from sql import STANDARD_PLAN

REQUIRED_CLAIMS = ("aud", "iss", "sub", "exp")
# jose does not have to see `aud`: where it is missing, `Reading.require_audience` decides. The
# optional claims may be null, which jose does not foresee; `token_claims` checks them. `at_hash`
# ties an ID token to an access token that was sent beside it; here there is only one.
OPTIONS = {f"require_{claim}": claim != "aud" for claim in REQUIRED_CLAIMS} | {
    f"verify_{claim}": False for claim in ("iat", "nbf", "jti", "at_hash")
}
MAX_TOKEN_CHARACTERS = 16 * 1024  # 80 groups in a token of Entra are 5 kB
BEFORE_TOKEN = re.compile("^(authorization:)?bearer", re.IGNORECASE)
WHOLE_TOKEN = re.compile(r"([A-Za-z0-9_-]+\.){2}[A-Za-z0-9_-]+=*")
REMEMBERED, MAX_REMEMBERED_SCOPES = 4096, 100
DEVICE_SECONDS = 30 * 24 * 3600
# What hostile headers and claims make jose raise: it foresees only some of them.
BROKEN = (JOSEError, ValueError, TypeError, KeyError, OverflowError, RecursionError)


class Tokens:
    """Issues and reads the tokens of one API; use `read` from its event loop alone."""

    def __init__(self, settings: Settings, source: KeySource) -> None:
        self.settings, self.source = settings, source
        self.reading = Reading.of(settings)
        self._known: OrderedDict[bytes, Claims] = OrderedDict()  # by hash: tokens may be long
        self._known_under = source.keys

    def require_issuing(self) -> tuple[str, Key]:
        """The id of the key that signs, and the key. Raises UserError `sign_in_elsewhere` where an
        identity provider issues the tokens.
        """
        signing = self.source.keys.signing
        if signing is None:
            fix = "get a token from the identity provider that this service trusts"
            raise UserError("sign-in is elsewhere", fix, code="sign_in_elsewhere")
        return signing

    def issue(
        self,
        subject: str,
        scopes: frozenset[str],
        plan: str = STANDARD_PLAN,
        tokens_from: float | None = None,
    ) -> str:
        """A token for `subject`, valid from now for `token_minutes`. tokens_from: the user's.

        Raises UserError `sign_in_elsewhere`.
        """
        key_id, key = self.require_issuing()
        now = int(time.time() * 1000) / 1000
        claims = {
            "sub": subject,
            "scope": " ".join(sorted(scopes)),
            "plan": plan,
            "iss": self.settings.jwt_issuer,
            "aud": self.settings.jwt_audience,
            # To the millisecond: a token bought just after all others were revoked is good.
            "iat": now,
            "nbf": int(now),
            "exp": int(now + self.settings.token_minutes * 60),
            "jti": uuid4().hex,
        }
        if tokens_from is not None:
            claims["tokens_from"] = tokens_from
        algorithm = self.source.keys.algorithm
        return str(jwt.encode(claims, key, algorithm, headers={"kid": key_id}))

    def issue_device(self, subject: str, device: str | None) -> str:
        """What tells later that a client has signed in as `subject`; it opens nothing by itself.

        device: the id that the client has already. Raises UserError `sign_in_elsewhere`.
        """
        key_id, key = self.require_issuing()
        now = int(time.time())
        claims = {
            "sub": subject,
            "iss": self.settings.jwt_issuer,
            "aud": self._device_audience,
            "iat": now,
            "nbf": now,
            "exp": now + DEVICE_SECONDS,
            "jti": device or uuid4().hex,
        }
        algorithm = self.source.keys.algorithm
        return str(jwt.encode(claims, key, algorithm, headers={"kid": key_id}))

    def device_of(self, token: str | None, subject: str) -> str | None:
        """The id of a client that has signed in as `subject` before; None for any other text."""
        if not token:
            return None
        try:
            fitting = self.source.keys.of(_header(token, self.source.keys.algorithm).get("kid"))
            if not fitting:
                return None
            claims = self._decoded(token, self.source.keys, fitting, self._device_audience)
            claims.require_current(time.time(), self.reading.leeway_seconds)
        except (UserError, *BROKEN):
            return None
        return claims.token_id if claims.subject == subject else None

    @property
    def _device_audience(self) -> str:
        """Another than that of tokens, so that neither is ever taken for the other."""
        return f"{self.settings.jwt_audience} sign-in"

    async def read(self, token: str) -> Claims:
        """The claims of a valid token. Raises UserError `token_expired` or `token_invalid`."""
        self.source.freshen()
        if self._known_under is not self.source.keys:  # some may be of a key that was retired
            self._known.clear()
            self._known_under = self.source.keys
        known_as = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        claims = self._known.get(known_as)
        if claims is None:
            claims = await self._verified(token, known_as)
        else:
            self._known.move_to_end(known_as)
        claims.require_current(time.time(), self.reading.leeway_seconds)
        return claims

    async def _verified(self, token: str, known_as: bytes) -> Claims:
        key_id = _header(token, self.source.keys.algorithm).get("kid")
        if not self.source.keys.of(key_id):
            await self.source.look_again()
        keys = self.source.keys
        if not (fitting := keys.of(key_id)):
            raise invalid_token("its key is not one of ours")
        try:
            claims = self._decoded(token, keys, fitting, self.settings.jwt_audience)
        except ExpiredSignatureError:
            raise UserError("the token has expired", SIGN_IN, code="token_expired") from None
        except (JOSEError, ValueError) as error:
            raise invalid_token(str(error)) from None
        except BROKEN:  # in words of Python's
            raise invalid_token("a claim in it is not of the right kind") from None
        self._remember(known_as, claims, keys)
        return claims

    def _decoded(self, token: str, keys: KeySet, fitting: list[Key], audience: str) -> Claims:
        """Raises one of `BROKEN`."""
        told = jwt.decode(
            token,
            fitting,
            algorithms=[keys.algorithm],
            audience=audience,
            issuer=self.settings.jwt_issuer,
            options={**OPTIONS, "leeway": self.reading.leeway_seconds},
        )
        self.reading.require_audience(told, audience)
        return self.reading.claims(told, token)

    def _remember(self, known_as: bytes, claims: Claims, keys: object) -> None:
        if keys is self._known_under and len(claims.scopes) <= MAX_REMEMBERED_SCOPES:
            self._known[known_as] = claims
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)


def token_id_of(token: str) -> tuple[str, float]:
    """The id that a token is revoked by, and when that may be forgotten (Unix seconds).

    Both are as the token claims, unverified. Raises UserError where it is no token.
    """
    token = BEFORE_TOKEN.sub("", re.sub(r"[\s\"']", "", token))  # as it is copied from a terminal
    try:
        if not WHOLE_TOKEN.fullmatch(token):  # its digest would be another than the service's
            raise ValueError("it is not three parts of Base64url with dots between them")
        told = jwt.get_unverified_claims(token)
        return revoked_as(told, token), forgotten_at(expiry_of(told))
    except BROKEN as error:
        raise UserError(
            f"that is no token ({error})", "give a whole one, as it was sent to the service"
        ) from None


def _header(token: str, algorithm: str) -> Mapping[str, Any]:
    if len(token) > MAX_TOKEN_CHARACTERS:
        raise invalid_token(f"it has more than {MAX_TOKEN_CHARACTERS:,} characters")
    try:
        header: Mapping[str, Any] = jwt.get_unverified_header(token)
    except BROKEN as error:
        raise invalid_token(str(error)) from None
    if header.get("alg") != algorithm:
        raise invalid_token(f"it is not signed with {algorithm}")
    if "crit" in header:  # RFC 7515: to be refused where it is not understood, which jose is not
        raise invalid_token("it asks for extensions that are unknown here")
    return header
