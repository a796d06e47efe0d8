"""Who is asking, and whether they may: bearer tokens with scopes.

A token stands until it expires: a user who is disabled meanwhile keeps access for that long.
"""

from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import OAuth2PasswordBearer, SecurityScopes

from leafgate.errors import UserError
from serving.state import RequestFacts, State
from serving.tokens import Claims, read_token

SCOPE_TEXTS = {
    "predict": "classify images",
    "generate": "make images",
    "feedback": "say what an image really showed",
    "admin": "manage models",
}

_bearer = OAuth2PasswordBearer(tokenUrl="token", scopes=SCOPE_TEXTS, auto_error=False)


def current_user(
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
    claims = read_token(state.settings, token)
    facts.user_name = claims.subject
    request.state.subject = claims.subject
    missing = sorted(set(needed.scopes) - claims.scopes)
    if missing:
        raise UserError(
            f"the token of {claims.subject} has no scope '{missing[0]}'",
            "ask whoever runs this service for it, then sign in again",
            code="scope_missing",
        )
    return claims
