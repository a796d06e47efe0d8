"""POST /token (OAuth2 password flow), POST /token/revoke, and the public keys."""

import time
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Form, Request, Response, Security
from fastapi.security import OAuth2PasswordRequestForm
from pydantic import BaseModel
from slowapi import Limiter

from leafgate.errors import UserError
from leafgate.settings import Settings
from serving.acting import Act, Acting
from serving.addresses import client_network
from serving.auth import current_user, require_scope
from serving.facts import Facts
from serving.guarded_route import GuardedRoute
from serving.problems import documented
from serving.state import AppState, RequestFacts, State
from serving.tokens import MAX_ID_CHARACTERS, Claims
from sql import LONGEST_LIFE_SECONDS

KEYS_FRESH_SECONDS = 300


class Token(BaseModel):
    """What OAuth2 clients expect."""

    access_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - a kind, no secret
    expires_in: int
    scope: str


class RevokedToken(BaseModel):
    """The id (`jti`) of the token that is refused from now on."""

    jti: str


class PublicKeys(BaseModel):
    """A JWK set (RFC 7517)."""

    keys: list[dict[str, str]]


TokenId = Annotated[
    str | None, Form(max_length=MAX_ID_CHARACTERS, description="left out: the token in use")
]


def token_routes(settings: Settings, limiter: Limiter) -> APIRouter:
    """The routes; signing in is limited by address, since nobody has signed in yet."""
    router = APIRouter(route_class=GuardedRoute, tags=["sign-in"])

    @router.post("/token", responses=documented(401, 404, 422, 429, 503))
    @limiter.limit(settings.token_limit)
    async def token(
        request: Request,
        response: Response,
        form: Annotated[OAuth2PasswordRequestForm, Depends()],
        state: State,
        facts: RequestFacts,
    ) -> Token:
        """Sign in. Scopes asked for are granted as far as the user has them; all if none is."""
        return await sign_in(state, form, facts, client_network(request.scope))

    @router.post("/token/revoke", responses=documented(401, 403, 422, 429, 503))
    @limiter.limit(settings.token_limit)
    async def revoke(
        request: Request,
        response: Response,
        user: Annotated[Claims, Security(current_user)],
        state: State,
        act: Acting,
        jti: TokenId = None,
    ) -> RevokedToken:
        """Refuse a token from now on: the one in use, or with scope admin any by its id."""
        return await revoke_for(user, state, jti or user.token_id, act)

    @router.get("/.well-known/jwks.json", responses=documented(404))
    async def public_keys(response: Response, state: State) -> PublicKeys:
        """The keys that verify our tokens; none where they are signed with a secret."""
        response.headers["Cache-Control"] = f"public, max-age={KEYS_FRESH_SECONDS}"
        return PublicKeys(keys=own_public_keys(state))

    return router


async def sign_in(
    state: AppState, form: OAuth2PasswordRequestForm, facts: Facts, address: str
) -> Token:
    """A token for who has given the right password. Raises UserError, see `SignIn.user`."""
    state.tokens.require_issuing()
    user = await state.sign_in.user(form.username, form.password, address)
    facts.user_name = user.name
    state.revocations.saw(user)
    scopes = user.scopes & frozenset(form.scopes) if form.scopes else user.scopes
    return Token(
        access_token=state.tokens.issue(user.name, scopes, user.plan, user.tokens_from),
        expires_in=int(state.settings.token_minutes * 60),
        scope=" ".join(sorted(scopes)),
    )


async def revoke_for(user: Claims, state: AppState, token_id: str, act: Act) -> RevokedToken:
    """Refuse a token, in this process at once. Raises UserError `scope_missing` for another's."""
    own = token_id == user.token_id
    if not own:
        require_scope(user, "admin")
    expires_at = user.expires_at if own else time.time() + LONGEST_LIFE_SECONDS
    await act.begin()
    await state.revocations.revoke(token_id, expires_at, user.subject)
    return RevokedToken(jti=token_id)


def own_public_keys(state: AppState) -> list[dict[str, str]]:
    """As JWKs. Raises UserError `no_public_keys` where the keys are secret, or another's."""
    keys = state.tokens.source.keys
    if keys.signing is None or not keys.public():
        fix = "ask the identity provider" if keys.signing is None else "there is nothing to fetch"
        raise UserError("this service publishes no keys", fix, code="no_public_keys")
    return keys.public()
