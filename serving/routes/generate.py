"""GET and POST /generate: pictures from the generator in production, as JSON, PNG grid or ZIP."""

import base64
import io
import json
import math
import secrets
import zipfile
from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response, Security
from pydantic import BaseModel, Field
from slowapi import Limiter

from leafgate.errors import UserError
from leafgate.images import Pixels, encode_png, grid
from leafgate.settings import Settings
from registry import MAX_SEED, Generator
from serving.auth import current_user
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
    class_name: str | None = Field(None, alias="class", description="for conditional generators")
    format: Format = Field("json", description="json (Base64), png (one grid) or zip")


class GeneratedImage(BaseModel):
    """One picture. index: its place in the series of the seed."""

    index: int
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
    """Pictures (n, size, size, channels) uint8 and what they come from."""

    images: Pixels
    seed: int
    model: UsedModel

    def pngs(self) -> list[bytes]:
        """Each picture as a PNG that says in its text chunks that it is synthetic."""
        return [
            encode_png(image, {**self.origin(), "index": str(index)})
            for index, image in enumerate(self.images)
        ]

    def origin(self) -> dict[str, str]:
        """Text chunks common to all."""
        return {
            "synthetic": "true",
            "model": self.model.name,
            "version": str(self.model.version),
            "seed": str(self.seed),
        }


def generate_routes(settings: Settings, limiter: Limiter) -> APIRouter:
    """Both routes: the query of GET and the JSON body of POST mean the same."""
    router = APIRouter(tags=["models"])
    responses = documented(401, 403, 422, 429, 503)
    responses[200] = {"content": {"image/png": {}, "application/zip": {}}}

    def answer(ask: GenerateAsk, state: State, facts: RequestFacts, response: Response) -> Response:
        check_number(ask, state.settings.max_generate)
        batch = make_batch(ask, state.models.generator.require())
        facts.images = len(batch.images)
        facts.model_name, facts.model_version = batch.model.name, batch.model.version
        return FORMATS[ask.format](batch, facts.request_id)

    @router.get("/generate", responses=responses, response_model=GenerateAnswer)
    @limiter.limit(settings.generate_limit)
    def generate_get(
        request: Request,
        response: Response,
        user: Annotated[Claims, Security(current_user, scopes=["generate"])],
        ask: Annotated[GenerateAsk, Query()],
        state: State,
        facts: RequestFacts,
    ) -> Response:
        """Make pictures."""
        return answer(ask, state, facts, response)

    @router.post("/generate", responses=responses, response_model=GenerateAnswer)
    @limiter.limit(settings.generate_limit)
    def generate_post(
        request: Request,
        response: Response,
        user: Annotated[Claims, Security(current_user, scopes=["generate"])],
        ask: GenerateAsk,
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
    """Run the generator. Raises UserError where a class is asked of one that knows none."""
    if ask.class_name is not None:
        learnt = ", ".join(live.model.description.classes)
        raise UserError(
            f"class={ask.class_name!r} cannot be asked of an unconditional generator",
            f"leave it out; {live.version} learnt from: {learnt}",
            code="class_not_supported",
        )
    seed = secrets.randbelow(MAX_SEED + 1) if ask.seed is None else ask.seed
    return Batch(live.model.generate(ask.n, seed), seed, UsedModel.of(live.version))


def _json(batch: Batch, request_id: str) -> Response:
    answer = GenerateAnswer(
        request_id=request_id,
        model=batch.model,
        seed=batch.seed,
        images=[
            GeneratedImage(index=index, png_base64=base64.b64encode(png).decode())
            for index, png in enumerate(batch.pngs())
        ],
    )
    return Response(answer.model_dump_json(), media_type="application/json")


def _png(batch: Batch, request_id: str) -> Response:
    sheet = grid(batch.images, columns=math.ceil(math.sqrt(len(batch.images))))
    data = encode_png(sheet, batch.origin())
    return Response(data, media_type="image/png", headers={"X-Seed": str(batch.seed)})


def _zip(batch: Batch, request_id: str) -> Response:
    buffer = io.BytesIO()
    names = [f"synthetic_{batch.seed}_{index:05d}.png" for index in range(len(batch.images))]
    about = {"request_id": request_id, **batch.origin(), "files": names}
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, png in zip(names, batch.pngs(), strict=True):
            archive.writestr(name, png)
        archive.writestr("manifest.json", json.dumps(about, indent=2))
    headers = {
        "X-Seed": str(batch.seed),
        "Content-Disposition": f'attachment; filename="synthetic_{batch.seed}.zip"',
    }
    return Response(buffer.getvalue(), media_type="application/zip", headers=headers)


FORMATS = {"json": _json, "png": _png, "zip": _zip}
