"""POST /predict: one image in, its class out. POST /predict/batch: up to 64."""

import asyncio
import time
from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Depends, File, Query, Request, Response, Security, UploadFile
from pydantic import BaseModel, Field
from slowapi import Limiter

from leafgate.errors import ImageError, UserError
from leafgate.settings import Settings
from registry import TTA_VIEWS
from serving.answers import Diagnosis, UsedModel, diagnosis_fields, json_answer
from serving.auth import current_user
from serving.batching import EngineFailed
from serving.classify import Asked, classify, cost_of_image, opened_image, room_for
from serving.facts import Facts, ImageFacts
from serving.guarded_route import GuardedRoute
from serving.hanging_up import results_unless_gone
from serving.limits import limited, set_cost
from serving.problems import documented
from serving.refusals import STATUS_OF_CODE
from serving.state import AppState, RequestFacts, State
from serving.token_claims import Claims

IMAGE_TYPES = "JPEG, PNG, WEBP, BMP, GIF or TIFF"
BATCH = "/predict/batch"
User = Annotated[Claims, Security(current_user, scopes=["predict"])]


class PredictAnswer(Diagnosis):
    """A diagnosis, and the receipt by which it can be made again."""

    request_id: str
    model: UsedModel
    latency_ms: float = Field(description="reading, waiting and network, without the way here")


class ItemProblem(BaseModel):
    """Why one file of several got no diagnosis."""

    code: str
    detail: str
    fix: str


class BatchItem(BaseModel):
    """One file of several: a diagnosis, or a problem. id: of its own row in the log."""

    id: str
    file_name: str | None
    diagnosis: Diagnosis | None = None
    model: UsedModel | None = None
    problem: ItemProblem | None = None


class BatchAnswer(BaseModel):
    """In the order of the files. failed: how many of them have a problem."""

    request_id: str
    items: list[BatchItem]
    failed: int
    latency_ms: float


Tta = Annotated[
    bool, Query(description="average over the eight positions of the square: eight times the work")
]


def predict_routes(settings: Settings, limiter: Limiter) -> APIRouter:
    """Both routes; images are bounded before they are decoded."""
    router = APIRouter(route_class=GuardedRoute, tags=["models"])

    async def one(
        request: Request,
        user: User,
        file: Annotated[UploadFile, File(description=IMAGE_TYPES)],
        state: State,
        tta: Tta = False,
    ) -> Asked:
        image = await opened_image(state, user.subject, file, tta, request)
        set_cost(request, cost_of_image(state, image, TTA_VIEWS if tta else 1))
        return image

    several_files = File(
        description=f"each {IMAGE_TYPES}",
        json_schema_extra={"minItems": 1, "maxItems": settings.max_images},
    )

    async def several(
        request: Request,
        user: User,
        files: Annotated[list[UploadFile], several_files],
        state: State,
        tta: Tta = False,
    ) -> list[Asked]:
        require_few(files, settings.max_images)
        opening = (opened_image(state, user.subject, file, tta) for file in files)
        images = await asyncio.gather(*opening)
        runs = TTA_VIEWS if tta else 1
        set_cost(request, sum(cost_of_image(state, image, runs) for image in images))
        return images

    @router.post(
        "/predict",
        responses=documented(400, 401, 403, 413, 415, 422, 429, 500, 503),
        response_model=PredictAnswer,
    )
    @limited(limiter, settings, "predict")
    async def predict(
        request: Request,
        response: Response,
        user: User,
        image: Annotated[Asked, Depends(one)],
        state: State,
        facts: RequestFacts,
        tta: Tta = False,
    ) -> Response:
        """Classify one image with the version in production."""
        started = time.perf_counter()
        known = facts.only_image(image.file_name)
        work = state.models.work_of(1, tta)
        with room_for(state, [image]), state.models.to_classify.admit(work, user.subject):
            found = await classify(state, known, image)
        facts.answered_by(known)
        answer = PredictAnswer(
            **diagnosis_fields(found.prediction, image.sha256),
            request_id=facts.request_id,
            model=UsedModel.of(found.live),
            latency_ms=(time.perf_counter() - started) * 1000,
        )
        return json_answer(answer)

    @router.post(
        BATCH,
        responses=documented(400, 401, 403, 413, 422, 429, 500, 503),
        response_model=BatchAnswer,
    )
    @limited(limiter, settings, "predict")
    async def predict_batch(
        request: Request,
        response: Response,
        user: User,
        images: Annotated[list[Asked], Depends(several)],
        state: State,
        facts: RequestFacts,
        tta: Tta = False,
    ) -> Response:
        """Classify several images; one that cannot be read has a problem, the others answers."""
        started = time.perf_counter()
        facts.images = len(images)
        work = state.models.work_of(len(images), tta)
        with room_for(state, images), state.models.to_classify.admit(work, user.subject):
            tasks = [
                asyncio.ensure_future(
                    _item(state, facts, facts.image_of_several(position, image.file_name), image)
                )
                for position, image in enumerate(images)
            ]
            items = await results_unless_gone(tasks, request)
        answer = BatchAnswer(
            request_id=facts.request_id,
            items=items,
            failed=sum(item.problem is not None for item in items),
            latency_ms=(time.perf_counter() - started) * 1000,
        )
        return json_answer(answer)

    return router


def require_few(files: Sequence[UploadFile], most: int) -> None:
    """Raise UserError `too_many_images` beyond the bound."""
    if len(files) > most:
        raise UserError(
            f"{len(files)} images in one request", f"send at most {most}", code="too_many_images"
        )


async def _item(state: AppState, whole: Facts, facts: ImageFacts, image: Asked) -> BatchItem:
    """One file's answer, and its row. Raises what is wrong with the service, not with the file."""
    item = BatchItem(id=facts.id, file_name=facts.file_name)
    status = 200
    try:
        found = await classify(state, facts, image)
        item.diagnosis = Diagnosis(**diagnosis_fields(found.prediction, image.sha256))
        item.model = UsedModel.of(found.live)
        state.metrics.served(item.model.name, item.model.version)
    except (ImageError, EngineFailed) as error:
        status, facts.error_code = STATUS_OF_CODE[error.code], error.code
        item.problem = ItemProblem(code=error.code, detail=error.problem, fix=error.fix)
    whole.predictions.append(facts.record(status))
    return item
