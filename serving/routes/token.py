"""POST /token: name and password for a signed token (OAuth2 password flow)."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request, Response
from fastapi.security import OAuth2PasswordRequestForm
from pydantic import BaseModel
from slowapi import Limiter

from leafgate.errors import UserError
from leafgate.settings import Settings
from serving.passwords import password_fits
from serving.problems import documented
from serving.state import RequestFacts, State
from serving.tokens import issue_token
from sql import find_user


class Token(BaseModel):
    """What OAuth2 clients expect."""

    access_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - a kind, no secret
    expires_in: int
    scope: str


def token_routes(settings: Settings, limiter: Limiter) -> APIRouter:
    """The route, limited by address: nobody has signed in yet."""
    router = APIRouter(tags=["sign-in"])

    @router.post("/token", responses=documented(401, 422, 429))
    @limiter.limit(settings.token_limit)
    def token(
        request: Request,
        response: Response,
        form: Annotated[OAuth2PasswordRequestForm, Depends()],
        state: State,
        facts: RequestFacts,
    ) -> Token:
        """Sign in. Scopes asked for are granted as far as the user has them; all if none is."""
        user = find_user(state.database, form.username)
        fits = password_fits(form.password, user.password_hash if user else None)
        if user is None or not fits or user.disabled:
            fix = "check both; `leafgate users add` makes a user"
            raise UserError("wrong user name or password", fix, code="bad_credentials")
        facts.user_name = user.name
        scopes = user.scopes & frozenset(form.scopes) if form.scopes else user.scopes
        return Token(
            access_token=issue_token(state.settings, user.name, scopes),
            expires_in=state.settings.token_minutes * 60,
            scope=" ".join(sorted(scopes)),
        )

    return router
