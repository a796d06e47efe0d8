"""The API, put together. `create_app` builds one; nothing happens at import."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from slowapi import Limiter
from starlette.concurrency import run_in_threadpool

from leafgate import __version__
from leafgate.settings import Settings
from serving.address_limit import AddressLimit
from serving.body_limit import BodyLimit
from serving.key_source import key_source
from serving.limits import counts_of, make_limiter
from serving.live_models import LiveModels
from serving.problems import add_problem_handlers
from serving.request_logging import RequestLogging
from serving.revocation import Revocations
from serving.routes.generate import generate_routes
from serving.routes.health import health_routes
from serving.routes.predict import predict_routes
from serving.routes.token import token_routes
from serving.sign_in import SignIn
from serving.state import AppState
from serving.tokens import Tokens
from sql import RequestLog, SqlAuditTrail, migrate, open_database

FORM_BYTES = 64 * 1024  # what multipart adds around an image
DESCRIPTION = """Classify leaves and make synthetic ones.

Sign in with the Authorize button; every answer carries its request id."""


def create_app(settings: Settings) -> FastAPI:
    """An API for `settings`. Raises UserError where there is no usable key for the tokens, or a
    limit is none.
    """
    tokens = Tokens(settings, key_source(settings))
    limiter = make_limiter(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.leafgate = state = await run_in_threadpool(_open, settings, tokens, limiter)
        state.models.start()
        yield
        state.models.stop()
        await run_in_threadpool(_close, state, limiter)

    app = FastAPI(
        title="LeafGate",
        version=__version__,
        description=DESCRIPTION,
        lifespan=lifespan,
    )
    app.state.limiter = limiter
    add_problem_handlers(app)
    app.include_router(token_routes(settings, limiter))
    app.include_router(predict_routes(settings, limiter))
    app.include_router(generate_routes(settings, limiter))
    app.include_router(health_routes())
    app.add_middleware(BodyLimit, most=settings.max_upload_bytes + FORM_BYTES)
    app.add_middleware(AddressLimit, settings=settings)
    app.add_middleware(RequestLogging)
    return app


def _open(settings: Settings, tokens: Tokens, limiter: Limiter) -> AppState:
    database = open_database(settings.database)
    migrate(database)
    models = LiveModels(settings, SqlAuditTrail(database))
    counts = counts_of(limiter)
    counts.start()
    revocations = Revocations(database, settings.revocation_poll_seconds)
    revocations.start()
    return AppState(
        settings,
        database,
        RequestLog(database),
        models,
        tokens,
        revocations,
        SignIn(database, counts),
    )


def _close(state: AppState, limiter: Limiter) -> None:
    state.sign_in.close()
    state.revocations.stop()
    counts_of(limiter).stop()
    state.log.close()
    state.database.dispose()
