"""Who is asking, and whether they may: bearer tokens with scopes.

The dependency is `async`: FastAPI sends synchronous ones through its thread pool, which costs more
than all that is done here.
"""

from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import OAuth2PasswordBearer, SecurityScopes

from leafgate.errors import UserError
from serving.state import AppState, RequestFacts, State
from serving.tokens import Claims

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
    state: State,
    facts: RequestFacts,
    token: Annotated[str | None, Depends(_bearer)],
) -> Claims:
    """The claims of the request's token, which must hold every needed scope."""
    if not token:
        fix = "send `Authorization: Bearer TOKEN` with a token from POST /token"
        raise UserError("no token was sent", fix, code="token_missing")
    claims = await state.tokens.read(token)
    facts.user_name = claims.subject
    await require_in_force(state, claims)
    request.state.subject, request.state.plan = claims.subject, claims.plan
    for scope in needed.scopes:
        require_scope(claims, scope)
    return claims


async def valid_claims(state: AppState, token: str) -> Claims:
    """The claims of a token that is in force. Raises UserError for any other."""
    claims = await state.tokens.read(token)
    await require_in_force(state, claims)
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
