"""POST /models/{name}/promote, rollback, hold and release: what is in production, by a person."""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request, Response, Security
from pydantic import BaseModel, Field, field_validator
from slowapi import Limiter

from leafgate.errors import UserError
from leafgate.settings import Settings
from registry import Move
from serving.acting import Act, Acting
from serving.auth import current_user
from serving.guarded_route import GuardedRoute
from serving.hidden_names import signed_in_here
from serving.live_models import LiveModels
from serving.model_names import require_model
from serving.moves import Moves
from serving.problems import documented
from serving.state import State
from serving.token_claims import Claims

CONTROL = "\\x00-\\x09\\x0b-\\x1f\\x7f-\\x9f\u2028\u2029"  # but for the end of a line
# No control character, and something besides spaces.
REASON = f"^[^{CONTROL}]*[^{CONTROL}\\s][^{CONTROL}]*$"
LONGEST = 500
LARGEST_VERSION = 2**31 - 1
FOLLOW_SECONDS = 20.0  # that an answer waits for the moved version to be live


class _Asked(BaseModel):
    """What every move needs."""

    reason: str = Field(
        description="why; the audit keeps it for ever",
        examples=["it takes rust for scab in the new fields"],
        max_length=LONGEST,
        json_schema_extra={"pattern": REASON},
    )

    @field_validator("reason")
    @classmethod
    def _plain(cls, value: str) -> str:
        if re.search(f"[{CONTROL}]", value):
            raise ValueError("it has control characters")
        return value.strip()


class MoveBody(_Asked):
    """Which version, and why."""

    version: int = Field(ge=1, le=LARGEST_VERSION, examples=[2])

    @field_validator("version", mode="before")
    @classmethod
    def _number(cls, value: object) -> object:
        return _no_text(value)


class RollbackBody(_Asked):
    """Why, and from which version: where another one is in production by now, nothing moves."""

    version: int | None = Field(
        None,
        ge=1,
        le=LARGEST_VERSION,
        examples=[2],
        description="the one in production that is meant; null: whichever it is",
    )

    @field_validator("version", mode="before")
    @classmethod
    def _number(cls, value: object) -> object:
        return _no_text(value)


def _no_text(value: object) -> object:
    if isinstance(value, bool | str):
        raise ValueError("a whole number is wanted")
    return value


class MovedAnswer(BaseModel):
    """What is in production now, was until then, on whose word, and all of it in a sentence."""

    name: str = Field(examples=["leaf-classifier"])
    version: int | None = Field(description="in production now; null: none", examples=[1])
    before: int | None = Field(description="in production until then", examples=[2])
    who: str = Field(examples=["ada (signed in at the service)"])
    told: str = Field(
        examples=["leaf-classifier version 1 is in production again; version 2 is kept as previous"]
    )


@dataclass(frozen=True)
class Mover:
    """Somebody who may move this model."""

    moves: Moves
    models: LiveModels
    act: Act
    name: str
    who: str

    async def move(self, how: str, body: MoveBody | RollbackBody) -> MovedAnswer:
        """Done, and followed by this process. Raises UserError, see `registry.carry_out`."""
        if not body.reason:
            raise UserError(f"{how} without a reason", "say why, in `reason`", code="no_reason")
        asked = Move(how, self.name, body.version, body.reason, self.who)
        await self.act.begin()
        moved = await asyncio.wrap_future(self.moves.ask(asked))
        await _follow(self.models)
        return MovedAnswer(
            name=self.name,
            version=moved.version,
            before=moved.before,
            who=moved.who,
            told=moved.told,
        )


async def _follow(models: LiveModels) -> None:
    """So that /models tells of it; where files must be fetched first, that goes on by itself."""
    looking = asyncio.get_running_loop().run_in_executor(None, models.refresh)
    await asyncio.wait([looking], timeout=FOLLOW_SECONDS)


async def _mover(
    user: Annotated[Claims, Security(current_user, scopes=["admin"])],
    state: State,
    act: Acting,
    name: Annotated[str, Path(description="of the classifier or the generator, see /models")],
) -> Mover:
    require_model(state.settings, name)
    return Mover(state.moves, state.models, act, name, signed_in_here(user.subject))


May = Annotated[Mover, Depends(_mover)]


def move_routes(settings: Settings, limiter: Limiter) -> APIRouter:
    """The routes; all four draw on one budget a user. The audit keeps who asked, and why."""
    router = APIRouter(
        route_class=GuardedRoute,
        tags=["models"],
        responses=documented(401, 403, 404, 409, 422, 429, 503),
    )
    limited: Callable[[Any], Any] = limiter.shared_limit(settings.move_limit, scope="moves")

    @router.post("/models/{name}/promote")
    @limited
    async def promote(
        request: Request, response: Response, mover: May, body: MoveBody
    ) -> MovedAnswer:
        """Put a version into production by force, whatever gate or hold say; `told` says what the
        gate had said.
        """
        return await mover.move("promote", body)

    @router.post("/models/{name}/rollback")
    @limited
    async def rollback(
        request: Request, response: Response, mover: May, body: RollbackBody
    ) -> MovedAnswer:
        """Put the version before back into production."""
        return await mover.move("rollback", body)

    @router.post("/models/{name}/hold")
    @limited
    async def hold(request: Request, response: Response, mover: May, body: MoveBody) -> MovedAnswer:
        """Keep a version out of production: no gate promotes it, nothing goes back to it."""
        return await mover.move("hold", body)

    @router.post("/models/{name}/release")
    @limited
    async def release(
        request: Request, response: Response, mover: May, body: MoveBody
    ) -> MovedAnswer:
        """End a hold."""
        return await mover.move("release", body)

    return router
