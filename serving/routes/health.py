"""GET /health (alive), /ready (able to answer) and /models (what answers)."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request, Response, Security
from pydantic import BaseModel

from leafgate.errors import UserError
from serving.auth import current_user
from serving.live_models import LiveModels, Slot
from serving.problems import documented
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

    classes: what it learnt from; conditional: whether one of them can be asked of /generate.
    """

    name: str
    version: int | None
    engine: str | None
    problem: str | None
    classes: tuple[str, ...] = ()
    conditional: bool = False


class Health(BaseModel):
    """status: `degraded` where something needs a person."""

    status: Literal["ok", "degraded"]
    request_log: LogHealth
    models: list[ModelHealth]


class Ready(BaseModel):
    """All that is served is loaded and warm."""

    status: Literal["ready"] = "ready"
    models: list[ModelHealth]


def health_routes() -> APIRouter:
    """The routes; the first two need no token and are neither limited nor logged."""
    router = APIRouter(tags=["state"])

    @router.get("/health")
    def health(state: State) -> Health:
        """Alive: 200 as long as the process answers, whatever else is wrong."""
        return health_of(state)

    @router.get("/ready", responses=documented(503))
    def ready(request: Request, response: Response, state: State) -> Ready:
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
    def models(user: Annotated[Claims, Security(current_user)], state: State) -> list[ModelHealth]:
        """Which versions answer now, and on which engine."""
        return models_of(state.models)

    return router


def health_of(state: AppState) -> Health:
    """The state of the log and the models."""
    log = state.log
    request_log = LogHealth(
        backlog=log.backlog,
        oldest_age_seconds=round(log.oldest_age_seconds, 3),
        dropped=log.dropped,
        set_aside=log.set_aside,
    )
    models = models_of(state.models)
    bad = any(model.problem for model in models) or log.dropped or log.set_aside
    return Health(status="degraded" if bad else "ok", request_log=request_log, models=models)


def models_of(models: LiveModels) -> list[ModelHealth]:
    """Both models."""
    classifier, generator = models.classifier.live, models.generator.live
    return [
        health_of_model(
            models.classifier, classifier.model.description.labels if classifier else ()
        ),
        health_of_model(
            models.generator,
            generator.model.description.classes if generator else (),
            conditional=generator is not None and generator.model.description.conditional,
        ),
    ]


def health_of_model(
    slot: Slot[Any], classes: tuple[str, ...], conditional: bool = False
) -> ModelHealth:
    """One model's place; classes: of what answers now."""
    return ModelHealth(
        name=slot.name,
        version=slot.live.version.version if slot.live else None,
        engine=slot.live.model.engine.name if slot.live else None,
        problem=slot.problem,
        classes=classes,
        conditional=conditional,
    )
