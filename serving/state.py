"""What a running API holds, and how a route gets at it."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request

from leafgate.settings import Settings
from serving.corrections import Corrections
from serving.counted_requests import CountedRequests
from serving.decoding import Decoding
from serving.facts import Facts, facts_of
from serving.live_models import LiveModels
from serving.metrics import Metrics
from serving.moves import Moves
from serving.revocation import Revocations
from serving.shadows import Shadows
from serving.sign_in import SignIn
from serving.tokens import Tokens
from serving.uploads import Uploads
from sql import RequestLog


@dataclass(frozen=True)
class AppState:
    """Made at start-up, closed at shutdown. database: a SQLAlchemy engine.

    decoders: threads that read images, so that the event loop never does; decoding: how much of
    that is done at a time.
    """

    settings: Settings
    database: Any
    log: RequestLog
    counted: CountedRequests
    models: LiveModels
    tokens: Tokens
    revocations: Revocations
    sign_in: SignIn
    corrections: Corrections
    metrics: Metrics
    decoders: ThreadPoolExecutor
    decoding: Decoding
    uploads: Uploads
    shadows: Shadows
    moves: Moves


async def _state(request: Request) -> AppState:
    state: AppState = request.app.state.leafgate
    return state


async def _facts(request: Request) -> Facts:
    return facts_of(request)


# Coroutines, though they wait for nothing: FastAPI sends plain functions through a thread.
State = Annotated[AppState, Depends(_state)]
RequestFacts = Annotated[Facts, Depends(_facts)]
