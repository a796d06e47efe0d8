"""GET and POST /generate: pictures from the generator in production, as JSON, PNG grid or ZIP."""

import base64
import io
import json
import math
import secrets
import zipfile
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request, Response, Security
from pydantic import BaseModel, ConfigDict, Field
from slowapi import Limiter

from leafgate.errors import UserError
from leafgate.images import encode_png, grid
from leafgate.settings import Settings
from registry import MAX_SEED, Drawn, Generator, class_folder, origin
from serving.auth import current_user
from serving.limits import limited, set_cost
from serving.live_models import Live
from serving.problems import documented
from serving.routes.predict import UsedModel
from serving.state import RequestFacts, State
from serving.tokens import Claims

Format = Literal["json", "png", "zip"]


class GenerateAsk(BaseModel):
    """What is wanted. seed: the same one gives the same pictures; drawn where it is left out."""

    n: int = Field(16, description="number of images", examples=[16])
    seed: int | None = Field(None, description=f"0 to {MAX_SEED}", examples=[7])
    class_name: str | None = Field(
        None,
        alias="class",
        description="of a conditional generator (see /models); all in turn where it is left out",
    )
    format: Format = Field("json", description="json (Base64), png (one grid) or zip")


class GeneratedImage(BaseModel):
    """One picture. index: its place in the series of the seed; class: null where not known."""

    model_config = ConfigDict(populate_by_name=True)

    index: int
    class_name: str | None = Field(alias="class", examples=["rust"])
    png_base64: str


class GenerateAnswer(BaseModel):
    """The JSON form."""

    request_id: str
    model: UsedModel
    seed: int
    synthetic: Literal[True] = True
    images: list[GeneratedImage]


@dataclass(frozen=True)
class Batch:
    """Pictures 0 to n of a seed, and what they come from. asked: the class that was asked for."""

    drawn: Drawn
    seed: int
    model: UsedModel
    asked: str | None

    def __len__(self) -> int:
        return len(self.drawn.images)

    def pngs(self) -> list[bytes]:
        """Each picture as a PNG that says in its text chunks that it is synthetic."""
        return [
            encode_png(image, self.origin(class_name, index))
            for index, (image, class_name) in enumerate(
                zip(self.drawn.images, self.drawn.class_names, strict=True)
            )
        ]

    def origin(self, class_name: str | None, index: int | None = None) -> dict[str, str]:
        """Text chunks of one picture, or of them all."""
        named = {"model": self.model.name, "version": str(self.model.version)}
        return origin(named, self.seed, class_name, index)


def generate_routes(settings: Settings, limiter: Limiter) -> APIRouter:
    """Both routes: the query of GET and the JSON body of POST mean the same."""
    router = APIRouter(tags=["models"])
    responses = documented(401, 403, 422, 429, 503)
    responses[200] = {"content": {"image/png": {}, "application/zip": {}}}

    async def by_query(request: Request, ask: Annotated[GenerateAsk, Query()]) -> GenerateAsk:
        return priced(request, ask)

    async def by_body(request: Request, ask: GenerateAsk) -> GenerateAsk:
        return priced(request, ask)

    def priced(request: Request, ask: GenerateAsk) -> GenerateAsk:
        check_number(ask, settings.max_generate)
        set_cost(request, ask.n)
        return ask

    def answer(ask: GenerateAsk, state: State, facts: RequestFacts, response: Response) -> Response:
        batch = make_batch(ask, state.models.generator.require())
        facts.images = len(batch)
        facts.model_name, facts.model_version = batch.model.name, batch.model.version
        return FORMATS[ask.format](batch, facts.request_id)

    @router.get("/generate", responses=responses, response_model=GenerateAnswer)
    @limited(limiter, settings, "generate")
    def generate_get(
        request: Request,
        response: Response,
        user: Annotated[Claims, Security(current_user, scopes=["generate"])],
        ask: Annotated[GenerateAsk, Depends(by_query)],
        state: State,
        facts: RequestFacts,
    ) -> Response:
        """Make pictures."""
        return answer(ask, state, facts, response)

    @router.post("/generate", responses=responses, response_model=GenerateAnswer)
    @limited(limiter, settings, "generate")
    def generate_post(
        request: Request,
        response: Response,
        user: Annotated[Claims, Security(current_user, scopes=["generate"])],
        ask: Annotated[GenerateAsk, Depends(by_body)],
        state: State,
        facts: RequestFacts,
    ) -> Response:
        """Make pictures; the same as GET with a JSON body."""
        return answer(ask, state, facts, response)

    return router


def check_number(ask: GenerateAsk, most: int) -> None:
    """Raises UserError `out_of_range` naming the value and its bounds."""
    if not 1 <= ask.n <= most:
        raise UserError(f"n={ask.n}", f"ask for 1 to {most} images", code="out_of_range")
    if ask.seed is not None and not 0 <= ask.seed <= MAX_SEED:
        raise UserError(f"seed={ask.seed}", f"use 0 to {MAX_SEED}", code="out_of_range")


def make_batch(ask: GenerateAsk, live: Live[Generator]) -> Batch:
    """Run the generator. Raises UserError where a class is asked that it does not know."""
    seed = secrets.randbelow(MAX_SEED + 1) if ask.seed is None else ask.seed
    drawn = live.model.draw(range(ask.n), seed, ask.class_name)
    return Batch(drawn, seed, UsedModel.of(live.version), ask.class_name)


def _json(batch: Batch, request_id: str) -> Response:
    found = zip(batch.drawn.class_names, batch.pngs(), strict=True)
    answer = GenerateAnswer(
        request_id=request_id,
        model=batch.model,
        seed=batch.seed,
        images=[
            GeneratedImage(
                index=index, class_name=class_name, png_base64=base64.b64encode(png).decode()
            )
            for index, (class_name, png) in enumerate(found)
        ],
    )
    return Response(answer.model_dump_json(by_alias=True), media_type="application/json")


def _png(batch: Batch, request_id: str) -> Response:
    sheet = grid(batch.drawn.images, columns=math.ceil(math.sqrt(len(batch))))
    data = encode_png(sheet, batch.origin(batch.asked))
    return Response(data, media_type="image/png", headers={"X-Seed": str(batch.seed)})


def _zip(batch: Batch, request_id: str) -> Response:
    buffer = io.BytesIO()
    classes = batch.drawn.class_names
    names = [
        str(PurePosixPath(class_folder(class_name)) / f"synthetic_{batch.seed}_{index:05d}.png")
        for index, class_name in enumerate(classes)
    ]
    about = {"request_id": request_id, **batch.origin(batch.asked)}
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, png in zip(names, batch.pngs(), strict=True):
            archive.writestr(name, png)
        told = {**about, "files": names, "classes": classes}
        archive.writestr("manifest.json", json.dumps(told, indent=2))
    headers = {
        "X-Seed": str(batch.seed),
        "Content-Disposition": f'attachment; filename="synthetic_{batch.seed}.zip"',
    }
    return Response(buffer.getvalue(), media_type="application/zip", headers=headers)


FORMATS = {"json": _json, "png": _png, "zip": _zip}
