"""The API, put together. `create_app` builds one; nothing happens at import."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from fastapi import FastAPI
from slowapi import Limiter
from starlette.concurrency import run_in_threadpool
from starlette.types import Scope

from leafgate import __version__
from leafgate.images import ImageLimits
from leafgate.settings import Settings
from serving.address_limit import AddressLimit
from serving.addresses import ForwardedAddress, TrustedProxies
from serving.admission import Admission, RefuseEarly
from serving.body_limit import OTHER_PATHS, BodyLimit
from serving.corrections import Corrections
from serving.counted_requests import CountedRequests
from serving.counts import COUNTED_TOGETHER
from serving.database import reached_database
from serving.decode_budget import DecodeBudget
from serving.decoding import Decoding
from serving.description import describe, introduction
from serving.head_requests import HeadAsGet
from serving.identities import Identities
from serving.key_source import key_source
from serving.limits import SpentBudgets, counts_of, limits_health, make_limiter
from serving.live import cores_of
from serving.live_models import LiveModels
from serving.memory import give_back_memory
from serving.metrics import Metrics
from serving.moves import Moves
from serving.problems import add_problem_handlers
from serving.request_logging import RequestLogging
from serving.revocation import Revocations
from serving.routes.docs import docs_routes
from serving.routes.explain import explain_routes
from serving.routes.feedback import feedback_routes
from serving.routes.generate import generate_routes
from serving.routes.health import health_routes
from serving.routes.metrics import metrics_routes
from serving.routes.moves import move_routes
from serving.routes.predict import predict_routes
from serving.routes.token import token_routes
from serving.routes.versions import version_routes
from serving.security_headers import SecurityHeaders
from serving.shadows import Shadows
from serving.shutdown import Shutdown
from serving.sign_in import SignIn
from serving.state import AppState
from serving.tokens import Tokens
from serving.traces import Traces
from serving.uploads import Uploads
from sql import LogSettings, RequestLog, SqlAuditTrail, folder_of, former_folders

SMALL_FORM_BYTES = 4 * 1024  # of a form with a name and a password
FORM_BYTES = 64 * 1024  # what multipart adds around images, and the most where there are none
SPARE_THREADS = 2  # beyond cores: reading an image leaves them to others now and then


def create_app(settings: Settings) -> FastAPI:
    """An API for `settings`. Raises UserError where there is no usable key for the tokens, or for
    the log's pseudonyms where it wants any, or a limit or a trusted proxy is none.
    """
    tokens = Tokens(settings, key_source(settings))
    limiter = make_limiter(settings)
    identities = Identities(settings)
    proxies = TrustedProxies.read(settings.trusted_proxies)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        database = app.state.database or await run_in_threadpool(
            partial(reached_database, may_create=settings.workers == 1), settings
        )
        opened = await run_in_threadpool(
            _open, settings, database, metrics, tokens, limiter, identities
        )
        app.state.leafgate = state = opened
        state.models.start()
        # Connections are taken already, and what they ask is answered once this returns.
        await run_in_threadpool(state.models.looked.wait, settings.first_look_seconds)
        tasks = [
            asyncio.create_task(each)
            for each in (metrics.keep_sampling(), state.counted.keep_writing())
        ]
        yield
        for task in tasks:
            task.cancel()
        await state.counted.write()
        state.models.stop()
        await run_in_threadpool(_close, state, limiter)
        await run_in_threadpool(traces.close)

    metrics = Metrics()
    traces = Traces(settings)
    metrics.on_stage = traces.stage
    app = FastAPI(
        title="LeafGate",
        telemetry=traces.telemetry,
        version=__version__,
        description=introduction(),
        lifespan=lifespan,
        redirect_slashes=False,  # to another path alone: see `problems.without_slash`
        openapi_url=None,  # FastAPI's pages load scripts from elsewhere: see `routes/docs.py`
    )
    app.state.limiter = limiter
    app.state.spent_budgets = SpentBudgets()
    app.state.metrics = metrics
    app.state.shutdown = Shutdown()
    app.state.database = None  # an engine, where whoever serves the app has opened it
    add_problem_handlers(app)
    app.include_router(token_routes(settings, limiter))
    app.include_router(predict_routes(settings, limiter))
    app.include_router(explain_routes(settings, limiter))
    app.include_router(generate_routes(settings, limiter))
    app.include_router(feedback_routes(settings, limiter))
    app.include_router(health_routes())
    app.include_router(version_routes(settings))
    app.include_router(metrics_routes(settings))
    app.include_router(move_routes(settings, limiter))
    app.include_router(docs_routes(lambda: app.openapi()))
    describe(app, settings.max_generate)
    app.add_middleware(HeadAsGet)
    app.add_middleware(RefuseEarly, doors=_door)
    app.add_middleware(BodyLimit, max_bytes=body_limits(settings), settings=settings)
    app.add_middleware(AddressLimit, settings=settings)
    app.add_middleware(RequestLogging)
    app.add_middleware(SecurityHeaders)
    if proxies:
        app.add_middleware(ForwardedAddress, proxies=proxies)
    return app


def body_limits(settings: Settings) -> dict[str, int]:
    """Bytes that a path takes; every other one: `OTHER_PATHS`."""
    image = settings.max_upload_bytes + FORM_BYTES
    return {
        "/predict": image,
        "/explain": image,
        "/predict/batch": settings.max_batch_bytes + FORM_BYTES,
        "/token": SMALL_FORM_BYTES,
        "/token/revoke": SMALL_FORM_BYTES,
        OTHER_PATHS: FORM_BYTES,
    }


def _open(
    settings: Settings,
    database: Any,  # noqa: ANN401 - an engine
    metrics: Metrics,
    tokens: Tokens,
    limiter: Limiter,
    identities: Identities,
) -> AppState:
    give_back_memory()
    moves = Moves(settings)
    decoders = ThreadPoolExecutor(cores_of(settings) + SPARE_THREADS, thread_name_prefix="decode")
    budget = DecodeBudget(settings.max_decoding_pixels, cores_of(settings))
    decoding = Decoding(decoders, budget, _image_limits(settings), settings.max_wait_seconds)
    models = LiveModels(
        settings, SqlAuditTrail(database), metrics, moves, lambda: budget.small_wait_seconds
    )
    request_log = _open_log(settings, database, identities)
    counted = CountedRequests(request_log, settings.logged_refusals)
    _watch(metrics, request_log, counted, models)
    metrics.watch("decoding_pixels", lambda: budget.used)
    counts = counts_of(limiter)
    counts.start()
    metrics.watch("limits_shared", lambda: limits_health(limiter) == COUNTED_TOGETHER)
    revocations = Revocations(
        database, settings.revocation_poll_seconds, own_users=not settings.jwt_jwks
    )
    revocations.start()
    uploads = Uploads(settings)
    uploads.start()
    return AppState(
        settings,
        database,
        request_log,
        counted,
        models,
        tokens,
        revocations,
        SignIn(database, counts),
        Corrections(database, lambda: request_log.waiting_on_this_host().oldest_age_seconds),
        metrics,
        decoders,
        decoding,
        uploads,
        Shadows(request_log, metrics),
        moves,
    )


def _image_limits(settings: Settings) -> ImageLimits:
    return ImageLimits(
        settings.max_upload_bytes,
        settings.max_pixels,
        settings.max_frames,
        settings.max_reduced_pixels,
        "LEAFGATE_MAX_PIXELS",
    )


def _open_log(
    settings: Settings,
    database: Any,  # noqa: ANN401 - an engine
    identities: Identities,
) -> RequestLog:
    how = LogSettings(settings.outbox_limit, settings.outbox_full, settings.outbox_sync)
    place = settings.var_dir, settings.database
    former = former_folders(*place)
    return RequestLog(database, folder_of(*place), how, identities.of, former)


def _watch(
    metrics: Metrics, request_log: RequestLog, counted: CountedRequests, models: LiveModels
) -> None:
    metrics.watch("request_log_counted", lambda: counted.total)
    metrics.watch("request_log_backlog", lambda: request_log.backlog)
    metrics.watch("request_log_oldest_age_seconds", lambda: request_log.oldest_age_seconds)
    metrics.watch("request_log_dropped", lambda: request_log.dropped)
    metrics.watch("request_log_set_aside", lambda: request_log.set_aside)
    metrics.watch("models_with_problem", lambda: models.problems)


DOORS = {
    "/predict": "to_classify",
    "/predict/batch": "to_classify",
    "/explain": "to_classify",
    "/generate": "to_generate",
}


def _door(scope: Scope) -> Admission | None:
    """What stands before the path of a request."""
    name = DOORS.get(scope["path"])
    if name is None:
        return None
    found: Admission = getattr(scope["app"].state.leafgate.models, name)
    return found


def _close(state: AppState, limiter: Limiter) -> None:
    state.moves.close()
    state.decoders.shutdown()
    state.uploads.stop()
    state.sign_in.close()
    state.corrections.close()
    state.revocations.stop()
    counts_of(limiter).stop()
    state.log.close()
    state.database.dispose()
