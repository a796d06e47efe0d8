"""What a running API holds, and what a request gathers for its row in the log."""

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request

from leafgate.settings import Settings
from serving.live_models import LiveModels
from serving.revocation import Revocations
from serving.sign_in import SignIn
from serving.tokens import Tokens
from sql import RequestLog


@dataclass(frozen=True)
class AppState:
    """Made at start-up, closed at shutdown. database: a SQLAlchemy engine."""

    settings: Settings
    database: Any
    log: RequestLog
    models: LiveModels
    tokens: Tokens
    revocations: Revocations
    sign_in: SignIn


@dataclass
class Facts:
    """What becomes known of one request on its way; the logging middleware writes it down."""

    request_id: str
    user_name: str | None = None
    images: int = 0
    file_name: str | None = None
    sha256: str | None = None
    model_name: str | None = None
    model_version: int | None = None
    class_name: str | None = None
    confidence: float | None = None
    error_code: str | None = None


async def _state(request: Request) -> AppState:
    state: AppState = request.app.state.leafgate
    return state


def facts_of(request: Request) -> Facts:
    """The facts of this request."""
    facts: Facts = request.state.facts
    return facts


async def _facts(request: Request) -> Facts:
    return facts_of(request)


# Both are `async`: FastAPI sends synchronous dependencies through its thread pool.
State = Annotated[AppState, Depends(_state)]
RequestFacts = Annotated[Facts, Depends(_facts)]
