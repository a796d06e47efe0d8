"""The API, put together. `create_app` builds one; nothing happens at import."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool

from leafgate import __version__
from leafgate.settings import Settings
from serving.body_limit import BodyLimit
from serving.description import describe, introduction
from serving.limits import AddressLimit, make_limiter
from serving.live_models import LiveModels
from serving.metrics import Metrics
from serving.problems import add_problem_handlers
from serving.request_logging import RequestLogging
from serving.routes.generate import generate_routes
from serving.routes.health import health_routes
from serving.routes.metrics import metrics_routes
from serving.routes.predict import predict_routes
from serving.routes.token import token_routes
from serving.shutdown import Shutdown
from serving.state import AppState
from serving.traces import Traces
from sql import RequestLog, SqlAuditTrail, migrate, open_database

FORM_BYTES = 64 * 1024  # what multipart adds around an image


def create_app(settings: Settings) -> FastAPI:
    """An API for `settings`. Raises UserError where no signing secret is configured."""
    settings.require_jwt_secret()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.leafgate = state = await run_in_threadpool(_open, settings, metrics)
        state.models.start()
        yield
        state.models.stop()
        await run_in_threadpool(_close, state)
        await run_in_threadpool(traces.close)

    metrics = Metrics()
    traces = Traces(settings)
    metrics.on_stage = traces.stage
    limiter = make_limiter(settings)
    app = FastAPI(
        title="LeafGate",
        telemetry=traces.telemetry,
        version=__version__,
        description=introduction(),
        lifespan=lifespan,
    )
    app.state.limiter = limiter
    app.state.metrics = metrics
    app.state.shutdown = Shutdown()
    add_problem_handlers(app)
    app.include_router(token_routes(settings, limiter))
    app.include_router(predict_routes(settings, limiter))
    app.include_router(generate_routes(settings, limiter))
    app.include_router(health_routes())
    app.include_router(metrics_routes(settings))
    describe(app)
    app.add_middleware(BodyLimit, most=settings.max_upload_bytes + FORM_BYTES)
    app.add_middleware(AddressLimit, settings=settings)
    app.add_middleware(RequestLogging)
    return app


def _open(settings: Settings, metrics: Metrics) -> AppState:
    database = open_database(settings.database)
    migrate(database)
    models = LiveModels(settings, SqlAuditTrail(database))
    request_log = RequestLog(database)
    metrics.watch("request_log_backlog", lambda: request_log.backlog)
    metrics.watch("request_log_oldest_age_seconds", lambda: request_log.oldest_age_seconds)
    metrics.watch("request_log_dropped", lambda: request_log.dropped)
    metrics.watch("request_log_set_aside", lambda: request_log.set_aside)
    return AppState(settings, database, request_log, models, metrics)


def _close(state: AppState) -> None:
    state.log.close()
    state.database.dispose()
