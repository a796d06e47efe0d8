"""GET /health (alive), /ready (able to answer) and /models (what answers)."""

from collections.abc import Sequence
from typing import Annotated, Literal, TypeVar

from fastapi import APIRouter, Request, Security
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from leafgate.errors import UserError
from leafgate.metrics.confidences import CONFIDENCE_BINS
from registry import DIGEST_TAG, PRODUCTION, ClassifierDescription
from serving.acting import Acting
from serving.auth import authenticate, current_user
from serving.counts import REDIS_AWAY
from serving.guarded_route import GuardedRoute
from serving.limits import limits_health
from serving.live import LiveClassifier, LiveGenerator
from serving.live_models import LiveModels
from serving.problems import documented
from serving.public_text import public_log_problem, public_problem
from serving.slots import Slot
from serving.state import AppState, State
from serving.token_claims import Claims
from sql import RequestLog


class LogHealth(BaseModel):
    """backlog: entries on this host, of all its processes, that are not in the database yet;
    set_aside: what it refused, kept on disk; dropped: what this process could not keep; problem:
    why nothing is moved now; full: requests are refused until something is.
    """

    backlog: int
    oldest_age_seconds: float
    set_aside: int
    dropped: int
    problem: str | None = None
    full: bool = False


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


class Reference(BaseModel):
    """What the version said of the pictures that it was validated on."""

    classes: dict[str, int] = Field(description="how many were told each class")
    confidences: tuple[int, ...] = Field(
        description=f"how many lie in each of {CONFIDENCE_BINS} equal bins over [0, 1]"
    )

    @staticmethod
    def of(described: ClassifierDescription) -> "Reference | None":
        """Of a classifier; None: it was stored before there were references."""
        if not described.reference_classes:
            return None
        return Reference(
            classes=described.reference_classes, confidences=described.reference_confidences
        )


class ServedModel(ModelHealth):
    """The same, with what drift is measured against."""

    reference: Reference | None = Field(
        None, description="null: a generator, or a version that was trained before there was one"
    )


class Health(BaseModel):
    """status: `degraded` where something needs a person."""

    status: Literal["ok", "degraded"]
    request_log: LogHealth
    limits: str = Field(description="where calls are counted", examples=["memory", "redis"])
    models: list[ModelHealth]

    def for_anybody(self) -> "Health":
        """The same without the places that problems name."""
        problem = public_log_problem(self.request_log.problem)
        return self.model_copy(
            update={
                "request_log": self.request_log.model_copy(update={"problem": problem}),
                "models": for_anybody(self.models),
            }
        )


class Ready(BaseModel):
    """All that is served is loaded and warm; or, where that was asked for, there is nothing yet."""

    status: Literal["ready"] = "ready"
    models: list[ModelHealth]


def health_routes() -> APIRouter:
    """The routes; the first two need no token and are neither limited nor logged."""
    router = APIRouter(route_class=GuardedRoute, tags=["state"])

    @router.get("/health")
    async def health(request: Request, state: State) -> Health:
        """Alive: 200 as long as the process answers, whatever else is wrong.

        A problem is named without file paths, hosts and addresses, but to a token with scope admin.
        """
        limits = limits_health(request.app.state.limiter)
        whole = health_of(state, limits, await run_in_threadpool(log_health, state.log))
        return whole if await _is_admin(request) else whole.for_anybody()

    @router.get("/ready", responses=documented(503))
    async def ready(request: Request, state: State, without_model: bool = False) -> Ready:
        """Able: 200 once the classifier in production is loaded and warm, else 503 and why.

        without_model: 200 too while nothing is in production at all. For a balancer that would
        otherwise take sign-in, generator and promotions away with the classifier.
        """
        if request.app.state.shutdown.under_way:
            fix = "ask another process, or again in a few seconds"
            raise UserError("this process is stopping", fix, code="shutting_down")
        if not state.models.looked.is_set():
            fix = "ask again in a few seconds"
            raise UserError("models are being loaded", fix, code="no_production_model")
        if not (without_model and state.models.classifier.vacant):
            state.models.classifier.require()
        return Ready(models=for_anybody(models_of(state.models)))

    @router.get("/models", responses=documented(401))
    async def models(
        user: Annotated[Claims, Security(current_user)], state: State
    ) -> list[ServedModel]:
        """Which versions answer now, on which engine, and why that one."""
        found = models_of(state.models)
        return found if "admin" in user.scopes else for_anybody(found)

    @router.post("/models/reload", responses=documented(401, 403, 503))
    async def reload(
        user: Annotated[Claims, Security(current_user, scopes=["admin"])], state: State, act: Acting
    ) -> list[ServedModel]:
        """Look at the registry now rather than in a few seconds; answers when that is done."""
        await act.begin()
        await run_in_threadpool(state.models.refresh)
        return models_of(state.models)

    return router


async def _is_admin(request: Request) -> bool:
    """Whether a good token with that scope was sent; any other is as good as none here."""
    if "authorization" not in request.headers:
        return False
    try:
        return "admin" in (await authenticate(request)).scopes
    except UserError:
        return False


Model = TypeVar("Model", bound=ModelHealth)


def for_anybody(models: Sequence[Model]) -> list[Model]:
    """The same without the places that problems name."""
    return [each.model_copy(update={"problem": public_problem(each.problem)}) for each in models]


def log_health(log: RequestLog) -> LogHealth:
    """How the log is doing; it looks into the files of other processes, too."""
    log.look_again()
    waiting = log.waiting_on_this_host()
    return LogHealth(
        backlog=waiting.entries,
        oldest_age_seconds=round(waiting.oldest_age_seconds, 3),
        set_aside=waiting.set_aside,
        dropped=log.dropped,
        problem=log.problem,
        full=log.is_full,
    )


def health_of(state: AppState, limits: str, request_log: LogHealth) -> Health:
    """The state of the log, the limits and the models."""
    models = models_of(state.models)
    bad = (
        limits == REDIS_AWAY
        or any(model.problem for model in models)
        or request_log.dropped
        or request_log.set_aside
        or request_log.problem
        or request_log.full
    )
    return Health(
        status="degraded" if bad else "ok",
        request_log=request_log,
        limits=limits,
        models=models,
    )


def models_of(models: LiveModels) -> list[ServedModel]:
    """Both models, and what is in staging where it is asked.

    Where a route tells of a `ModelHealth`, FastAPI leaves the reference out.
    """
    staging = [models.staging] if models.staging else []
    return [
        served_by(models.classifier, models.to_classify.images),
        served_by(models.generator, models.to_generate.images),
        *map(served_by, staging),
    ]


def served_by(slot: Slot[LiveClassifier] | Slot[LiveGenerator], under_way: int = 0) -> ServedModel:
    """One model's place; all that is said of a version is said of the same one."""
    told = ServedModel(
        name=slot.name,
        alias=slot.alias,
        version=None,
        engine=None,
        problem=slot.problem,
        under_way=under_way,
    )
    live = slot.live
    return told if live is None else told.model_copy(update=_told_of(live))


def _told_of(live: LiveClassifier | LiveGenerator) -> dict[str, object]:
    """Of the version that answers."""
    version, engine = live.version, live.model.engine
    told: dict[str, object] = {
        "version": version.version,
        "digest": version.tags.get(DIGEST_TAG),
        "engine": engine.name,
        "reason": engine.reason,
    }
    if isinstance(live, LiveClassifier):
        described = live.model.description
        return {**told, "classes": described.labels, "reference": Reference.of(described)}
    makes = live.model.description
    return {**told, "classes": makes.classes, "conditional": makes.conditional}
