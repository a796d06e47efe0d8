"""Who is asking, and whether they may: bearer tokens with scopes.

`GuardedRoute` asks before the body is read, the dependency finds what that found. The dependency is
`async`: FastAPI sends synchronous ones through its thread pool, which costs more than all that is
done here.
"""

from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import OAuth2PasswordBearer, SecurityScopes

from leafgate.errors import UserError
from serving.facts import facts_of
from serving.state import AppState
from serving.token_claims import Claims

SCOPE_TEXTS = {
    "predict": "classify images",
    "generate": "make images",
    "feedback": "say what an image really showed",
    "admin": "manage models",
}

_bearer = OAuth2PasswordBearer(tokenUrl="token", scopes=SCOPE_TEXTS, auto_error=False)


async def current_user(
    request: Request,
    needed: SecurityScopes,
    documented: Annotated[str | None, Depends(_bearer)],  # so that /docs knows of the token
) -> Claims:
    """The claims of the request's token, which must hold every needed scope."""
    claims = await authenticate(request)
    for scope in needed.scopes:
        require_scope(claims, scope)
    return claims


async def authenticate(request: Request) -> Claims:
    """The claims of the request's token, verified once a request, in whichever route.

    Raises UserError `token_missing`, `token_expired`, `token_invalid` or `token_revoked`.
    """
    claims: Claims | None = getattr(request.state, "claims", None)
    if claims is not None:
        return claims
    token = await _bearer(request)
    if not token:
        fix = "send `Authorization: Bearer TOKEN` with a token from POST /token"
        raise UserError("no token was sent", fix, code="token_missing")
    state: AppState = request.app.state.leafgate
    claims = await state.tokens.read(token)
    facts_of(request).user_name = claims.subject
    await require_in_force(state, claims)
    request.state.subject, request.state.plan = claims.subject, claims.plan
    request.state.claims = claims
    return claims


async def require_in_force(state: AppState, claims: Claims) -> None:
    """Raises UserError for a token that is revoked, or whose user is gone."""
    state.revocations.require_valid(claims)
    await state.revocations.require_user(claims)


def require_scope(claims: Claims, scope: str) -> None:
    """Raises UserError `scope_missing`."""
    if scope not in claims.scopes:
        raise UserError(
            f"the token of {claims.subject} has no scope '{scope}'",
            "ask whoever runs this service for it, then sign in again",
            code="scope_missing",
        )
