"""POST /token (OAuth2 password flow), POST /token/revoke, and the public keys."""

import time
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Form, Request, Response, Security
from fastapi.security import OAuth2PasswordRequestForm
from pydantic import AfterValidator, BaseModel, Field
from slowapi import Limiter

from leafgate.errors import UserError
from leafgate.settings import Settings
from leafgate.unicode_forms import nfc
from serving.acting import Act, Acting
from serving.addresses import client_network
from serving.auth import current_user, require_scope
from serving.facts import Facts
from serving.guarded_route import GuardedRoute
from serving.login_throttle import Attempt
from serving.problems import documented
from serving.state import AppState, RequestFacts, State
from serving.token_claims import MAX_CLAIM_CHARACTERS, Claims, forgotten_at, stored_id
from serving.tokens import DEVICE_SECONDS
from sql import LONGEST_LIFE_SECONDS, is_storable

KEYS_FRESH_SECONDS = 300
DEVICE_COOKIE = "leafgate-device"


class Token(BaseModel):
    """What OAuth2 clients expect."""

    access_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - a kind, no secret
    expires_in: int
    scope: str
    user: str = Field(description="the name that the token carries, as it is stored")


class RevokedToken(BaseModel):
    """The id of the token that is refused from now on: its `jti`, or a digest where it has none."""

    jti: str


class PublicKeys(BaseModel):
    """A JWK set (RFC 7517)."""

    keys: list[dict[str, str]]


def _storable(value: str | None) -> str | None:
    if value is not None and not is_storable(value):
        raise ValueError("not the id of a token: it holds characters that cannot be stored")
    return value


TokenId = Annotated[
    str | None,
    Form(max_length=MAX_CLAIM_CHARACTERS, description="left out: the token in use"),
    AfterValidator(_storable),
]


async def _attempt(
    request: Request, form: Annotated[OAuth2PasswordRequestForm, Depends()], state: State
) -> Attempt:
    device = state.tokens.device_of(request.cookies.get(DEVICE_COOKIE), nfc(form.username))
    attempt = Attempt(form.username, client_network(request.scope), device)
    request.state.sign_in_key = state.sign_in.limit_key(attempt)
    return attempt


def _sign_in_key(request: Request) -> str:
    """What `LEAFGATE_TOKEN_LIMIT` counts by."""
    key: str = request.state.sign_in_key
    return key


def token_routes(settings: Settings, limiter: Limiter) -> APIRouter:
    """The routes. Signing in is limited by address, but by user and address where the user has
    signed in from there, so that others who share the address do not use that up.
    """
    router = APIRouter(route_class=GuardedRoute, tags=["sign-in"])

    @router.post("/token", responses=documented(401, 404, 422, 429, 503))
    @limiter.limit(settings.token_limit, key_func=_sign_in_key)
    async def token(
        request: Request,
        response: Response,
        form: Annotated[OAuth2PasswordRequestForm, Depends()],
        attempt: Annotated[Attempt, Depends(_attempt)],
        state: State,
        facts: RequestFacts,
    ) -> Token:
        """Sign in. Scopes asked for are granted as far as the user has them; all if none is.

        The answer sets a cookie that opens nothing. A client that sends it with its next sign-in
        as the same user is not slowed down by the failures of others.
        """
        answer = await sign_in(state, form, facts, attempt)
        response.set_cookie(
            DEVICE_COOKIE,
            state.tokens.issue_device(nfc(form.username), attempt.device),
            max_age=DEVICE_SECONDS,
            path="/token",
            secure=request.url.scheme == "https",
            httponly=True,
            samesite="strict",
        )
        return answer

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
        return await revoke_for(user, state, stored_id(jti) if jti else user.token_id, act)

    @router.get("/.well-known/jwks.json", responses=documented(404))
    async def public_keys(response: Response, state: State) -> PublicKeys:
        """The keys that verify our tokens; none where they are signed with a secret."""
        response.headers["Cache-Control"] = f"public, max-age={KEYS_FRESH_SECONDS}"
        return PublicKeys(keys=own_public_keys(state))

    return router


async def sign_in(
    state: AppState, form: OAuth2PasswordRequestForm, facts: Facts, attempt: Attempt
) -> Token:
    """A token for who has given the right password. Raises UserError, see `SignIn.user`."""
    state.tokens.require_issuing()
    user = await state.sign_in.user(attempt, form.password)
    facts.user_name = user.name
    state.revocations.saw(user)
    scopes = user.scopes & frozenset(form.scopes) if form.scopes else user.scopes
    return Token(
        access_token=state.tokens.issue(user.name, scopes, user.plan, user.tokens_from),
        expires_in=int(state.settings.token_minutes * 60),
        scope=" ".join(sorted(scopes)),
        user=user.name,
    )


async def revoke_for(user: Claims, state: AppState, token_id: str, act: Act) -> RevokedToken:
    """Refuse a token, in this process at once. Raises UserError `scope_missing` for another's."""
    own = token_id == user.token_id
    if not own:
        require_scope(user, "admin")
    expires_at = forgotten_at(user.expires_at) if own else time.time() + LONGEST_LIFE_SECONDS
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
