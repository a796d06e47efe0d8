"""Signed tokens (JWT, RFC 7519): the only module that knows python-jose.

One algorithm, named here and never read from the token; issuer, audience, subject and times are
required, since jose accepts a token without them unless told otherwise.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from jose import jwt
from jose.exceptions import ExpiredSignatureError, JOSEError

from leafgate.errors import UserError
from leafgate.settings import Settings

ALGORITHM = "HS256"
REQUIRED = {f"require_{claim}": True for claim in ("aud", "iss", "sub", "exp", "nbf", "iat", "jti")}
MAX_TOKEN_CHARACTERS = 4096


@dataclass(frozen=True)
class Claims:
    """What a valid token says."""

    subject: str
    scopes: frozenset[str]


def issue_token(settings: Settings, subject: str, scopes: frozenset[str]) -> str:
    """A signed token for `subject`, valid from now for `settings.token_minutes`."""
    now = datetime.now(UTC)
    claims = {
        "sub": subject,
        "scope": " ".join(sorted(scopes)),
        "iss": settings.jwt_issuer,
        "aud": settings.jwt_audience,
        "iat": now,
        "nbf": now,
        "exp": now + timedelta(minutes=settings.token_minutes),
        "jti": uuid4().hex,
    }
    return str(jwt.encode(claims, settings.require_jwt_secret(), algorithm=ALGORITHM))


def read_token(settings: Settings, token: str) -> Claims:
    """The claims of a valid token. Raises UserError `token_expired` or `token_invalid`."""
    fix = "sign in again at POST /token"
    if len(token) > MAX_TOKEN_CHARACTERS:
        raise UserError("the token is too long to be one of ours", fix, code="token_invalid")
    try:
        claims = jwt.decode(
            token,
            settings.require_jwt_secret(),
            algorithms=[ALGORITHM],
            audience=settings.jwt_audience,
            issuer=settings.jwt_issuer,
            options=REQUIRED,
        )
    except ExpiredSignatureError:
        raise UserError("the token has expired", fix, code="token_expired") from None
    except JOSEError as error:
        raise UserError(f"the token is not valid ({error})", fix, code="token_invalid") from None
    return Claims(str(claims["sub"]), frozenset(str(claims.get("scope", "")).split()))
