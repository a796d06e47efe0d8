"""GET /health (alive), /ready (able to answer) and /models (what answers)."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request, Security
from pydantic import BaseModel, Field

from leafgate.errors import UserError
from registry import DIGEST_TAG, PRODUCTION
from serving.auth import current_user
from serving.counts import REDIS_AWAY
from serving.limits import limits_health
from serving.live_models import LiveModels
from serving.problems import documented
from serving.slots import Slot
from serving.state import AppState, State
from serving.tokens import Claims


class LogHealth(BaseModel):
    """backlog: rows not stored yet; dropped and set_aside: rows that never will be."""

    backlog: int
    oldest_age_seconds: float
    dropped: int
    set_aside: int


class ModelHealth(BaseModel):
    """One model. version: what answers now; problem: why the newest does not.

    alias: what it follows; reason: why it runs on that engine; under_way: images that have not been
    answered yet; classes: what it learnt from; conditional: whether one of them can be asked of
    /generate.
    """

    name: str
    alias: str = PRODUCTION
    version: int | None
    digest: str | None = None
    engine: str | None
    reason: str | None = None
    problem: str | None
    under_way: int = 0
    classes: tuple[str, ...] = ()
    conditional: bool = False


class Health(BaseModel):
    """status: `degraded` where something needs a person."""

    status: Literal["ok", "degraded"]
    request_log: LogHealth
    limits: str = Field(description="where calls are counted", examples=["memory", "redis"])
    models: list[ModelHealth]


class Ready(BaseModel):
    """All that is served is loaded and warm."""

    status: Literal["ready"] = "ready"
    models: list[ModelHealth]


def health_routes() -> APIRouter:
    """The routes; the first two need no token and are neither limited nor logged."""
    router = APIRouter(tags=["state"])

    @router.get("/health")
    async def health(request: Request, state: State) -> Health:
        """Alive: 200 as long as the process answers, whatever else is wrong."""
        return health_of(state, limits_health(request.app.state.limiter))

    @router.get("/ready", responses=documented(503))
    async def ready(request: Request, state: State) -> Ready:
        """Able: 200 once the classifier in production is loaded and warm, else 503 and why."""
        if request.app.state.shutdown.under_way:
            fix = "ask another process, or again in a few seconds"
            raise UserError("this process is stopping", fix, code="shutting_down")
        if not state.models.looked.is_set():
            fix = "ask again in a few seconds"
            raise UserError("models are being loaded", fix, code="no_production_model")
        state.models.classifier.require()
        return Ready(models=models_of(state.models))

    @router.get("/models", responses=documented(401))
    async def models(
        user: Annotated[Claims, Security(current_user)], state: State
    ) -> list[ModelHealth]:
        """Which versions answer now, on which engine, and why that one."""
        return models_of(state.models)

    @router.post("/models/reload", responses=documented(401, 403))
    def reload(
        user: Annotated[Claims, Security(current_user, scopes=["admin"])], state: State
    ) -> list[ModelHealth]:
        """Look at the registry now rather than in a few seconds; answers when that is done."""
        state.models.refresh()
        return models_of(state.models)

    return router


def health_of(state: AppState, limits: str) -> Health:
    """The state of the log, the limits and the models."""
    log = state.log
    request_log = LogHealth(
        backlog=log.backlog,
        oldest_age_seconds=round(log.oldest_age_seconds, 3),
        dropped=log.dropped,
        set_aside=log.set_aside,
    )
    models = models_of(state.models)
    bad = (
        limits == REDIS_AWAY
        or any(model.problem for model in models)
        or log.dropped
        or log.set_aside
    )
    return Health(
        status="degraded" if bad else "ok",
        request_log=request_log,
        limits=limits,
        models=models,
    )


def models_of(models: LiveModels) -> list[ModelHealth]:
    """Both models, and what is in staging where it is asked."""
    classifier, generator = models.classifier.live, models.generator.live
    staged = models.staging.live if models.staging else None
    return [
        health_of_model(
            models.classifier,
            classifier.model.description.labels if classifier else (),
            under_way=models.to_classify.images,
        ),
        health_of_model(
            models.generator,
            generator.model.description.classes if generator else (),
            conditional=generator is not None and generator.model.description.conditional,
            under_way=models.to_generate.images,
        ),
        *(
            [health_of_model(models.staging, staged.model.description.labels if staged else ())]
            if models.staging
            else []
        ),
    ]


def health_of_model(
    slot: Slot[Any], classes: tuple[str, ...], conditional: bool = False, under_way: int = 0
) -> ModelHealth:
    """One model's place; classes: of what answers now."""
    live = slot.live
    return ModelHealth(
        name=slot.name,
        alias=slot.alias,
        version=live.version.version if live else None,
        digest=live.version.tags.get(DIGEST_TAG) if live else None,
        engine=live.model.engine.name if live else None,
        reason=live.model.engine.reason if live else None,
        problem=slot.problem,
        under_way=under_way,
        classes=classes,
        conditional=conditional,
    )
