"""GET and POST /generate: pictures from the generator in production, as JSON, PNG grid or ZIP."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import Annotated

import numpy as np
from fastapi import APIRouter, Depends, Query, Request, Response, Security
from fastapi.responses import StreamingResponse
from slowapi import Limiter

from leafgate.errors import UserError
from leafgate.images import encode_png, grid
from leafgate.settings import Settings
from serving.answers import UsedModel
from serving.auth import current_user, require_scope
from serving.facts import Facts
from serving.generated_answers import (
    Format,
    GenerateAnswer,
    GenerateAsk,
    GenerateBody,
    GeneratedImage,
    read_by,
)
from serving.generating import Series, begin_series, require_bounds, whole_series
from serving.guarded_route import GuardedRoute
from serving.limits import limited, set_cost
from serving.problems import documented
from serving.state import AppState, RequestFacts, State
from serving.token_claims import Claims
from serving.zip_stream import ZipStream

User = Annotated[Claims, Security(current_user, scopes=["generate"])]
HELD_WHOLE = 1000  # pictures in one JSON document or grid; a ZIP is streamed
READING_COSTS = 2  # times as much: a second network looks at each picture


def generate_routes(settings: Settings, limiter: Limiter) -> APIRouter:
    """Both routes: the query of GET and the JSON body of POST mean the same."""
    router = APIRouter(route_class=GuardedRoute, tags=["models"])
    responses = documented(400, 401, 403, 422, 429, 500, 503)
    responses[200] = {"content": {"image/png": {}, "application/zip": {}}}

    async def by_query(
        request: Request, user: User, ask: Annotated[GenerateAsk, Query()]
    ) -> GenerateAsk:
        return priced(request, user, ask)

    async def by_body(request: Request, user: User, ask: GenerateBody) -> GenerateAsk:
        return priced(request, user, ask)

    def priced(request: Request, user: Claims, ask: GenerateAsk) -> GenerateAsk:
        if ask.readings:
            _require_readable(user, ask)
        most = settings.max_generate if ask.format == "zip" else held_whole(settings)
        require_bounds(ask.wanted, most)
        set_cost(request, ask.n * (READING_COSTS if ask.readings else 1))
        return ask

    async def answer(request: Request, ask: GenerateAsk, state: AppState, facts: Facts) -> Response:
        series = begin_series(state, facts, ask.wanted)
        return await FORMATS[ask.format](request, state, series, facts)

    @router.get("/generate", responses=responses, response_model=GenerateAnswer)
    @limited(limiter, settings, "generate")
    async def generate_get(
        request: Request,
        response: Response,
        user: User,
        ask: Annotated[GenerateAsk, Depends(by_query)],
        state: State,
        facts: RequestFacts,
    ) -> Response:
        """Make pictures."""
        return await answer(request, ask, state, facts)

    @router.post("/generate", responses=responses, response_model=GenerateAnswer)
    @limited(limiter, settings, "generate")
    async def generate_post(
        request: Request,
        response: Response,
        user: User,
        ask: Annotated[GenerateAsk, Depends(by_body)],
        state: State,
        facts: RequestFacts,
    ) -> Response:
        """Make pictures; the same as GET with a JSON body."""
        return await answer(request, ask, state, facts)

    return router


def _require_readable(user: Claims, ask: GenerateAsk) -> None:
    """Raises UserError where there is no place for readings, or no right to them."""
    require_scope(user, "predict")
    if ask.format == "png":
        raise UserError(
            "readings=true with format=png",
            "ask for format=json or format=zip: a grid has no place for readings",
            code="invalid_request",
        )


def held_whole(settings: Settings) -> int:
    """The most pictures of an answer that is not streamed."""
    return min(settings.max_generate, HELD_WHOLE)


async def _json(request: Request, state: AppState, series: Series, facts: Facts) -> Response:
    made = await whole_series(state, series, facts, request)

    def write() -> str:
        images = [image for piece in made for image in GeneratedImage.all_of(piece)]
        return GenerateAnswer(
            request_id=facts.request_id,
            model=UsedModel.of(series.live),
            seed=series.seed,
            to_seed=series.to_seed,
            read_by=read_by(series),
            latency_ms=facts.seconds * 1000,
            images=images,
        ).model_dump_json(by_alias=True)

    text = await asyncio.get_running_loop().run_in_executor(state.decoders, write)
    return Response(text, media_type="application/json")


async def _png(request: Request, state: AppState, series: Series, facts: Facts) -> Response:
    made = await whole_series(state, series, facts, request)

    def write() -> bytes:
        images = np.stack([image for piece in made for image in piece.images])
        sheet = grid(images, columns=math.ceil(math.sqrt(series.n)))
        return encode_png(sheet, series.origin(series.asked))

    data = await asyncio.get_running_loop().run_in_executor(state.decoders, write)
    headers = {"X-Seed": str(series.seed), "X-Latency-Ms": f"{facts.seconds * 1000:.1f}"}
    return Response(data, media_type="image/png", headers=headers)


async def _zip(request: Request, state: AppState, series: Series, facts: Facts) -> Response:
    stream = ZipStream(state, series, facts)
    first = await stream.first()
    headers = {
        "X-Seed": str(series.seed),
        "Content-Disposition": f'attachment; filename="{series.name}.zip"',
    }
    return StreamingResponse(stream.chunks(first), media_type="application/zip", headers=headers)


FORMATS: dict[Format, Callable[[Request, AppState, Series, Facts], Awaitable[Response]]] = {
    "json": _json,
    "png": _png,
    "zip": _zip,
}
