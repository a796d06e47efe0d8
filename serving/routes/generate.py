"""GET and POST /generate: pictures from the generator in production, as JSON, PNG grid or ZIP."""

import asyncio
import base64
import math
from collections.abc import Awaitable, Callable
from typing import Annotated, Literal

import numpy as np
from fastapi import APIRouter, Depends, Query, Request, Response, Security
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field, field_validator
from slowapi import Limiter

from leafgate.images import encode_png, grid
from leafgate.settings import Settings
from registry import MAX_SEED
from serving.answers import UsedModel
from serving.auth import current_user
from serving.facts import Facts
from serving.generating import Piece, Series, begin_series, check_number, whole_series
from serving.limits import limited, set_cost
from serving.problems import documented
from serving.state import AppState, RequestFacts, State
from serving.tokens import Claims
from serving.zip_stream import ZipStream

HELD_WHOLE = 1000  # pictures in one JSON document or grid; a ZIP is streamed
Format = Literal["json", "png", "zip"]


class GenerateAsk(BaseModel):
    """What is wanted. seed: the same one gives the same pictures; drawn where it is left out."""

    n: int = Field(
        16, description="number of images", examples=[16], json_schema_extra={"minimum": 1}
    )
    seed: int | None = Field(
        None,
        description=f"0 to {MAX_SEED}",
        examples=[7],
        json_schema_extra={"minimum": 0, "maximum": MAX_SEED},
    )
    class_name: str | None = Field(
        None,
        alias="class",
        description="of a conditional generator (see /models); all in turn where it is left out",
        json_schema_extra={"format": "class-of-the-model"},
    )
    format: Format = Field("json", description="json (Base64), png (one grid) or zip (streamed)")


class GenerateBody(GenerateAsk):
    """The same as JSON, where a number is a number."""

    @field_validator("n", "seed", mode="before")
    @classmethod
    def _number(cls, value: object) -> object:
        if isinstance(value, bool | str):
            raise ValueError("a whole number is wanted")
        return value


class GeneratedImage(BaseModel):
    """One picture. index: its place in the series of the seed; class: null where not known."""

    model_config = ConfigDict(populate_by_name=True)

    index: int
    class_name: str | None = Field(alias="class", examples=["rust"])
    png_base64: str


class GenerateAnswer(BaseModel):
    """The JSON form; with model, seed and index any of its pictures can be made again."""

    request_id: str
    model: UsedModel
    seed: int
    synthetic: Literal[True] = True
    images: list[GeneratedImage]


def generate_routes(settings: Settings, limiter: Limiter) -> APIRouter:
    """Both routes: the query of GET and the JSON body of POST mean the same."""
    router = APIRouter(tags=["models"])
    responses = documented(400, 401, 403, 422, 429, 500, 503)
    responses[200] = {"content": {"image/png": {}, "application/zip": {}}}

    async def by_query(request: Request, ask: Annotated[GenerateAsk, Query()]) -> GenerateAsk:
        return priced(request, ask)

    async def by_body(request: Request, ask: GenerateBody) -> GenerateAsk:
        return priced(request, ask)

    def priced(request: Request, ask: GenerateAsk) -> GenerateAsk:
        most = settings.max_generate if ask.format == "zip" else held_whole(settings)
        check_number(ask.n, ask.seed, most)
        set_cost(request, ask.n)
        return ask

    async def answer(request: Request, ask: GenerateAsk, state: AppState, facts: Facts) -> Response:
        series = begin_series(state, facts, ask.n, ask.seed, ask.class_name)
        return await FORMATS[ask.format](request, state, series, facts)

    @router.get("/generate", responses=responses, response_model=GenerateAnswer)
    @limited(limiter, settings, "generate")
    async def generate_get(
        request: Request,
        response: Response,
        user: Annotated[Claims, Security(current_user, scopes=["generate"])],
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
        user: Annotated[Claims, Security(current_user, scopes=["generate"])],
        ask: Annotated[GenerateAsk, Depends(by_body)],
        state: State,
        facts: RequestFacts,
    ) -> Response:
        """Make pictures; the same as GET with a JSON body."""
        return await answer(request, ask, state, facts)

    return router


def held_whole(settings: Settings) -> int:
    """The most pictures of an answer that is not streamed."""
    return min(settings.max_generate, HELD_WHOLE)


async def _json(request: Request, state: AppState, series: Series, facts: Facts) -> Response:
    made = await whole_series(state, series, facts, request)

    def write() -> str:
        return GenerateAnswer(
            request_id=facts.request_id,
            model=UsedModel.of(series.live),
            seed=series.seed,
            images=[image for piece in made for image in _images(piece)],
        ).model_dump_json(by_alias=True)

    text = await asyncio.get_running_loop().run_in_executor(state.decoders, write)
    return Response(text, media_type="application/json")


def _images(piece: Piece) -> list[GeneratedImage]:
    told = zip(piece.indices, piece.class_names, piece.pngs(), strict=True)
    return [
        GeneratedImage(index=k, class_name=name, png_base64=base64.b64encode(png).decode())
        for k, name, png in told
    ]


async def _png(request: Request, state: AppState, series: Series, facts: Facts) -> Response:
    made = await whole_series(state, series, facts, request)

    def write() -> bytes:
        images = np.stack([image for piece in made for image in piece.images])
        sheet = grid(images, columns=math.ceil(math.sqrt(series.n)))
        return encode_png(sheet, series.origin(series.asked))

    data = await asyncio.get_running_loop().run_in_executor(state.decoders, write)
    return Response(data, media_type="image/png", headers={"X-Seed": str(series.seed)})


async def _zip(request: Request, state: AppState, series: Series, facts: Facts) -> Response:
    stream = ZipStream(state, series, facts)
    first = await stream.first()
    headers = {
        "X-Seed": str(series.seed),
        "Content-Disposition": f'attachment; filename="synthetic_{series.seed}.zip"',
    }
    return StreamingResponse(stream.chunks(first), media_type="application/zip", headers=headers)


FORMATS: dict[Format, Callable[[Request, AppState, Series, Facts], Awaitable[Response]]] = {
    "json": _json,
    "png": _png,
    "zip": _zip,
}
