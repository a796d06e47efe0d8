"""GET /models/{name}/…: registered versions, their gate reports and studies, and the audit trail.

They wait for MLflow and the database in threads, few at a time: where either hangs, the threads of
other routes are left alone.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Path, Query, Response, Security
from starlette.concurrency import run_in_threadpool

from leafgate.audit import AuditRecord
from leafgate.settings import Settings
from registry import CHECK
from serving.answers import json_answer
from serving.auth import current_user
from serving.guarded_route import GuardedRoute
from serving.hidden_names import audit_for, version_for, versions_for
from serving.model_names import require_model
from serving.problems import documented
from serving.state import AppState, State
from serving.token_claims import Claims
from serving.version_answers import Audit, ModelVersions, Studies, VersionStory, audit_of
from serving.version_stories import VersionStories
from sql import SqlAuditTrail

AT_A_TIME = 4
LARGEST = 2**31 - 1  # of a version's number, in every database

Answer = TypeVar("Answer")
User = Annotated[Claims, Security(current_user)]
Number = Annotated[int, Path(ge=1, le=LARGEST, examples=[3])]


class Asking:
    """What the routes share: the registry's stories, and few threads at a time to hear them."""

    def __init__(self, settings: Settings) -> None:
        self.stories = VersionStories(settings)
        self.known = _known(settings)  # the parameter `name`
        self._free = asyncio.Semaphore(AT_A_TIME)

    async def wait(self, make: Callable[[], Answer]) -> Answer:
        """What `make` gives, in a thread."""
        async with self._free:
            return await run_in_threadpool(make)


def version_routes(settings: Settings) -> APIRouter:
    """The routes; whoever is signed in may read, names of other people with the scope admin."""
    asking = Asking(settings)
    router = APIRouter(route_class=GuardedRoute, prefix="/models/{name}", tags=["versions"])
    _add_versions(router, asking)
    _add_history(router, asking)
    return router


def _add_versions(router: APIRouter, asking: Asking) -> None:
    stories, responses = asking.stories, documented(401, 404, 422, 503)
    Model = Annotated[str, Depends(asking.known)]

    @router.get("/versions", responses=responses, response_model=ModelVersions)
    async def versions(
        user: User,
        state: State,
        name: Model,
        limit: Annotated[int, Query(ge=1, le=100)] = 20,
    ) -> Response:
        """The newest versions, newest first: what they come to, and who moved them."""
        told = await asking.wait(lambda: stories.listed(name, limit, _records(state, name)))
        return json_answer(versions_for(user, told))

    @router.get("/versions/{version}", responses=responses, response_model=VersionStory)
    async def story(user: User, state: State, name: Model, version: Number) -> Response:
        """All of one version: lineage, learning curves, confusion matrix, gate report."""
        told = await asking.wait(lambda: stories.story(name, version, _records(state, name)))
        return json_answer(version_for(user, told))

    @router.get(
        "/versions/{version}/gate/{check}",
        responses={**responses, 200: _PNG},
        response_class=Response,
    )
    async def picture(
        user: User,
        name: Model,
        version: Number,
        check: Annotated[str, Path(json_schema_extra={"pattern": f"^{CHECK.pattern}$"})],
    ) -> Response:
        """The picture of one check of the version's gate report."""
        png = await asking.wait(lambda: stories.picture(name, version, check))
        return Response(png, media_type="image/png")


def _add_history(router: APIRouter, asking: Asking) -> None:
    responses = documented(401, 404, 422, 503)
    Model = Annotated[str, Depends(asking.known)]

    @router.get("/audit", responses=responses, response_model=Audit)
    async def audit(
        user: User,
        state: State,
        name: Model,
        limit: Annotated[int, Query(ge=1, le=1000)] = 50,
    ) -> Response:
        """The newest records of the audit trail, newest first."""
        records = await asking.wait(lambda: _records(state, name))
        return json_answer(audit_for(user, audit_of(reversed(records[-limit:]))))

    @router.get("/studies", responses=responses, response_model=Studies)
    async def studies(user: User, name: Model) -> Response:
        """What augmentation experiments found that were stored with the newest versions."""
        return json_answer(await asking.wait(lambda: asking.stories.studies(name)))


_PNG = {
    "description": "Successful Response",
    "content": {"image/png": {"schema": {"type": "string", "format": "binary"}}},
}


def _known(settings: Settings) -> Callable[..., Awaitable[str]]:
    names: dict[str, Any] = {"enum": list(settings.model_names)}

    async def known(name: Annotated[str, Path(json_schema_extra=names)]) -> str:
        return require_model(settings, name)

    return known


def _records(state: AppState, model: str) -> tuple[AuditRecord, ...]:
    return SqlAuditTrail(state.database).records(model)
