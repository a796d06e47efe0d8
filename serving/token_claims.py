"""What a verified token says, in the shapes in which identity providers write it.

RFC 7519 requires no claim; here `iss`, `aud`, `sub` and `exp` are. `nbf`, `iat` and `jti` may be
missing or null. A token without a `jti` is revoked by its digest. Scopes are read from the claims
that a setting names, each a text of words (`scope`, Entra's `scp`) or a list (Okta's `scp`, Auth0's
`permissions`, Keycloak's `realm_access.roles`).
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from leafgate.errors import UserError
from leafgate.settings import MAX_LEEWAY_SECONDS, Settings
from sql import DELETED, STANDARD_PLAN, is_storable

Told = Mapping[str, Any]  # the claims of a token as they came

MAX_CLAIM_CHARACTERS = 255
OWN_SCOPE_CLAIM = "scope"
PLAIN_ID = re.compile(r"[!-~]{1,255}")  # what the column of revoked tokens holds on every database
DIGEST = "sha256:"
SIGN_IN = "sign in again at POST /token"


@dataclass(frozen=True)
class Claims:
    """What a valid token says. Times are Unix times in seconds; token_id: what it is revoked by.

    issued_at, not_before: 0 where the token does not say. tokens_from: the user's own (see
    `sql.User`) when it was issued, where it says so.
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
        back with the clock. A token that does not say when it was issued counts as the oldest.
        """
        return self.issued_at if self.tokens_from is None else self.tokens_from

    def require_current(self, now: float, leeway_seconds: float = 0.0) -> None:
        """Raises UserError `token_expired` or `token_invalid` where it is not the time."""
        if now >= self.expires_at + leeway_seconds:
            raise UserError("the token has expired", SIGN_IN, code="token_expired")
        if now < self.not_before - leeway_seconds:
            raise invalid_token("it is not valid yet")
        # Issued in the future, it would outlive a revocation of all that was issued until now.
        if now < self.issued_at - leeway_seconds:
            raise invalid_token("it was issued in the future; compare the clocks")


@dataclass(frozen=True)
class Reading:
    """How tokens are read. is_provided: by an identity provider; scope_claims: where scopes stand;
    scope_prefix: what stands before each of ours there.
    """

    is_provided: bool = False
    scope_claims: tuple[str, ...] = (OWN_SCOPE_CLAIM,)
    scope_prefix: str = ""
    leeway_seconds: float = 0.0

    @staticmethod
    def of(settings: Settings) -> "Reading":
        """As the settings say; our own tokens are read as we write them."""
        if not settings.jwt_jwks:
            return Reading(leeway_seconds=settings.jwt_leeway_seconds)
        names = (name.strip() for name in settings.jwt_scope_claims.split(","))
        return Reading(
            True,
            tuple(name for name in names if name),
            settings.jwt_scope_prefix,
            settings.jwt_leeway_seconds,
        )

    def require_audience(self, told: Told, audience: str) -> None:
        """Raises ValueError for a token without `aud`, but for an access token of Cognito: that
        names the client in `client_id` instead, and says by `token_use` what it is.
        """
        if "aud" in told:  # and jose has compared it
            return
        is_cognito = self.is_provided and told.get("token_use") == "access"
        if not is_cognito or told.get("client_id") != audience:
            raise ValueError("it has no audience")

    def claims(self, told: Told, token: str) -> Claims:
        """Raises ValueError, KeyError, TypeError or OverflowError for what is no usable claim."""
        plan, tokens_from = told.get("plan"), told.get("tokens_from", 0)
        issued_at = _optional_time(told, "iat")
        if not _is_time(tokens_from):
            raise ValueError("its tokens_from is no time")
        return Claims(
            _text(told, "sub"),
            self._scopes(told),
            STANDARD_PLAN if plan is None else _text(told, "plan"),
            revoked_as(told, token),
            issued_at,
            _optional_time(told, "nbf"),
            expiry_of(told),
            tokens_from if "tokens_from" in told else issued_at,
        )

    def _scopes(self, told: Told) -> frozenset[str]:
        found = (
            word
            for name in self.scope_claims
            for word in _words(name, _claim(told, name.split(".")))
        )
        start = self.scope_prefix
        return frozenset(word.removeprefix(start) for word in found if word.startswith(start))


def revoked_as(told: Told, token: str) -> str:
    """The id that a token is revoked by: its `jti`, or the digest of what is signed.

    Not the digest of the whole token: the same signature can be written in several ways.
    """
    if told.get("jti") is None:
        return _digest(token.rpartition(".")[0])
    return stored_id(_text(told, "jti"))


def stored_id(jti: str) -> str:
    """How the id of a token is stored and compared: as it is where every database holds that."""
    return jti if PLAIN_ID.fullmatch(jti) and not jti.startswith(DELETED) else _digest(jti)


def expiry_of(told: Told) -> float:
    """When the token expires. Raises KeyError or ValueError where that is no time."""
    if not _is_time(told["exp"]):
        raise ValueError("its exp is no time")
    return float(told["exp"])


def forgotten_at(expires_at: float) -> float:
    """Until when a revocation is kept: hosts may have different leeways."""
    return expires_at + MAX_LEEWAY_SECONDS


def invalid_token(why: str) -> UserError:
    """The refusal of a token."""
    return UserError(f"the token is not valid ({why})", SIGN_IN, code="token_invalid")


def _claim(told: Told, parts: list[str]) -> object:
    """The claim of that name, or within others: `realm_access.roles`. Names may have dots, too."""
    for number in range(len(parts), 0, -1):
        inner = told.get(".".join(parts[:number]))
        if inner is None:
            continue
        if number == len(parts):
            return inner
        if isinstance(inner, Mapping):
            return _claim(inner, parts[number:])
    return None


def _words(name: str, value: object) -> Iterator[str]:
    """The words of a claim. Raises ValueError where it is neither a text nor a list of texts."""
    words = value.split() if isinstance(value, str) else value or []
    if not (isinstance(words, list) and all(isinstance(word, str) for word in words)):
        raise ValueError(f"its {name} is neither a text nor a list of texts")
    yield from words


def _optional_time(told: Told, name: str) -> float:
    """0 where the token does not say."""
    value = told.get(name)
    if value is None:
        return 0.0
    if not _is_time(value):
        raise ValueError(f"its {name} is no time")
    return float(value)


def _is_time(moment: object) -> bool:
    """Whether it is a Unix time of these millennia; True is none."""
    return type(moment) in (int, float) and 0 <= moment < 2**40  # type: ignore[operator]


def _text(told: Told, name: str) -> str:
    """A claim that is stored and compared. Raises ValueError for what is no text of good length."""
    value = told[name]
    if not isinstance(value, str) or not value:
        raise ValueError(f"its {name} is no text")
    if len(value) > MAX_CLAIM_CHARACTERS:
        raise ValueError(f"its {name} is longer than {MAX_CLAIM_CHARACTERS} characters")
    if not is_storable(value):
        raise ValueError(f"its {name} holds characters that cannot be stored")
    return value


def _digest(text: str) -> str:
    return DIGEST + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
