"""Signed tokens (JWT, RFC 7519), issued and read; with `token_keys.py` alone in knowing jose.

One algorithm, pinned by a setting and never read from the token; issuer, audience, subject, id and
times are required, since jose accepts a token without them unless told otherwise. What was
verified once is remembered, and its times are checked at every use.
"""

import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from jose import jwt
from jose.backends.base import Key
from jose.exceptions import ExpiredSignatureError, JOSEError

from leafgate.errors import UserError
from leafgate.settings import Settings
from serving.key_source import KeySource
from serving.token_keys import KeySet
from sql import STANDARD_PLAN, is_storable

REQUIRED_CLAIMS = ("aud", "iss", "sub", "exp", "nbf", "iat", "jti")
REQUIRED = {f"require_{claim}": True for claim in REQUIRED_CLAIMS}
MAX_TOKEN_CHARACTERS = 4096
MAX_CLAIM_CHARACTERS = 255
REMEMBERED = 4096
DEVICE_SECONDS = 30 * 24 * 3600
# What hostile headers and claims make jose raise: it foresees only some of them.
BROKEN = (JOSEError, ValueError, TypeError, KeyError, OverflowError, RecursionError)
SIGN_IN = "sign in again at POST /token"


@dataclass(frozen=True)
class Claims:
    """What a valid token says. Times are Unix times in seconds; token_id: its `jti`.

    tokens_from: the user's own (see `sql.User`) when it was issued, where it says so.
    """

    subject: str
    scopes: frozenset[str]
    plan: str = STANDARD_PLAN
    token_id: str = ""
    issued_at: float = 0.0
    not_before: float = 0.0
    expires_at: float = 0.0
    tokens_from: float | None = None

    @property
    def order(self) -> float:
        """What is compared with the time of a revocation: unlike the time of issue, it does not go
        back with the clock.
        """
        return self.issued_at if self.tokens_from is None else self.tokens_from

    def require_current(self, now: float) -> None:
        """Raises UserError `token_expired` or `token_invalid` where it is not the time."""
        if now >= self.expires_at:
            raise UserError("the token has expired", SIGN_IN, code="token_expired")
        if now < self.not_before:
            raise _invalid("it is not valid yet")


class Tokens:
    """Issues and reads the tokens of one API; use `read` from its event loop alone."""

    def __init__(self, settings: Settings, source: KeySource) -> None:
        self.settings, self.source = settings, source
        self._known: OrderedDict[str, Claims] = OrderedDict()
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
            claims.require_current(time.time())
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
        claims = self._known.get(token)
        if claims is None:
            claims = await self._verified(token)
        else:
            self._known.move_to_end(token)
        claims.require_current(time.time())
        return claims

    async def _verified(self, token: str) -> Claims:
        key_id = _header(token, self.source.keys.algorithm).get("kid")
        if not self.source.keys.of(key_id):
            await self.source.look_again()
        keys = self.source.keys
        if not (fitting := keys.of(key_id)):
            raise _invalid("its key is not one of ours")
        try:
            claims = self._decoded(token, keys, fitting, self.settings.jwt_audience)
        except ExpiredSignatureError:
            raise UserError("the token has expired", SIGN_IN, code="token_expired") from None
        except BROKEN as error:
            raise _invalid(str(error)) from None
        self._remember(token, claims, keys)
        return claims

    def _decoded(self, token: str, keys: KeySet, fitting: list[Key], audience: str) -> Claims:
        """Raises one of `BROKEN`."""
        told = jwt.decode(
            token,
            fitting,
            algorithms=[keys.algorithm],
            audience=audience,
            issuer=self.settings.jwt_issuer,
            options=REQUIRED,
        )
        return _claims(told)

    def _remember(self, token: str, claims: Claims, keys: object) -> None:
        if keys is self._known_under:
            self._known[token] = claims
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)


def token_id_of(token: str) -> tuple[str, float]:
    """The id and expiry (Unix seconds) that a token claims, unverified: enough to revoke it.

    Raises UserError `token_invalid` where it is no token.
    """
    try:
        claims = _claims(jwt.get_unverified_claims(token))
    except BROKEN as error:
        raise UserError(
            f"that is no token ({error})", "give a whole one, as POST /token answers it"
        ) from None
    return claims.token_id, claims.expires_at


def _header(token: str, algorithm: str) -> Mapping[str, Any]:
    if len(token) > MAX_TOKEN_CHARACTERS:
        raise _invalid("it is too long to be one of ours")
    try:
        header: Mapping[str, Any] = jwt.get_unverified_header(token)
    except BROKEN as error:
        raise _invalid(str(error)) from None
    if header.get("alg") != algorithm:
        raise _invalid(f"it is not signed with {algorithm}")
    if "crit" in header:  # RFC 7515: to be refused where it is not understood, which jose is not
        raise _invalid("it asks for extensions that are unknown here")
    return header


def _claims(told: Mapping[str, Any]) -> Claims:
    """Raises ValueError, KeyError, TypeError or OverflowError for what is no usable claim."""
    subject, token_id = _text(told, "sub"), _text(told, "jti")
    scope, plan = told.get("scope") or "", told.get("plan")
    words = scope.split() if isinstance(scope, str) else scope
    if not (isinstance(words, list) and all(isinstance(word, str) for word in words)):
        raise ValueError("its scope is neither a text nor a list of texts")
    times = [told[name] for name in ("iat", "nbf", "exp")]
    times.append(told.get("tokens_from", times[0]))
    if not all(map(_is_time, times)):
        raise ValueError("its times are no times")
    plan = STANDARD_PLAN if plan is None else _text(told, "plan")
    return Claims(subject, frozenset(words), plan, token_id, *times)


def _is_time(moment: object) -> bool:
    """Whether it is a Unix time of these millennia; True is none."""
    return type(moment) in (int, float) and 0 <= moment < 2**40  # type: ignore[operator]


def _text(told: Mapping[str, Any], name: str) -> str:
    """A claim that is stored and compared. Raises ValueError for what is no text of good length."""
    value = told[name]
    if not isinstance(value, str) or not value:
        raise ValueError(f"its {name} is no text")
    if len(value) > MAX_CLAIM_CHARACTERS:
        raise ValueError(f"its {name} is longer than {MAX_CLAIM_CHARACTERS} characters")
    if not is_storable(value):
        raise ValueError(f"its {name} holds characters that cannot be stored")
    return value


def _invalid(why: str) -> UserError:
    return UserError(f"the token is not valid ({why})", SIGN_IN, code="token_invalid")
