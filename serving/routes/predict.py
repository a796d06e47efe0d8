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
from serving.classify import asked, classify
from serving.facts import Facts, ImageFacts
from serving.hanging_up import results_unless_gone
from serving.limits import limited, set_cost
from serving.problems import documented
from serving.refusals import STATUS_OF_CODE
from serving.state import AppState, RequestFacts, State
from serving.tokens import Claims

IMAGE_TYPES = "JPEG, PNG, WEBP, BMP, GIF or TIFF"
BATCH = "/predict/batch"


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
    router = APIRouter(tags=["models"])

    async def priced(request: Request, tta: Tta = False) -> bool:
        set_cost(request, TTA_VIEWS if tta else 1)
        return tta

    several_files = File(
        description=f"each {IMAGE_TYPES}",
        json_schema_extra={"minItems": 1, "maxItems": settings.max_images},
    )

    async def several(
        request: Request,
        files: Annotated[list[UploadFile], several_files],
        tta: Tta = False,
    ) -> list[UploadFile]:
        require_few(files, settings.max_images)
        set_cost(request, len(files) * (TTA_VIEWS if tta else 1))
        return files

    @router.post(
        "/predict",
        responses=documented(400, 401, 403, 413, 415, 422, 429, 500, 503),
        response_model=PredictAnswer,
    )
    @limited(limiter, settings, "predict")
    async def predict(
        request: Request,
        response: Response,
        user: Annotated[Claims, Security(current_user, scopes=["predict"])],
        file: Annotated[UploadFile, File(description=IMAGE_TYPES)],
        state: State,
        facts: RequestFacts,
        tta: Annotated[bool, Depends(priced)] = False,
    ) -> Response:
        """Classify one image with the version in production."""
        started = time.perf_counter()
        known = facts.only_image(file.filename)
        image = await asked(state, await file.read(), tta, request)
        with state.models.to_classify.admit(state.models.work_of(1, tta)):
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
        user: Annotated[Claims, Security(current_user, scopes=["predict"])],
        files: Annotated[list[UploadFile], Depends(several)],
        state: State,
        facts: RequestFacts,
        tta: Tta = False,
    ) -> Response:
        """Classify several images; one that cannot be read has a problem, the others answers."""
        started = time.perf_counter()
        facts.images = len(files)
        with state.models.to_classify.admit(state.models.work_of(len(files), tta)):
            tasks = [
                asyncio.ensure_future(
                    _item(state, facts, facts.image_of_several(position, file.filename), file, tta)
                )
                for position, file in enumerate(files)
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


async def _item(
    state: AppState, whole: Facts, facts: ImageFacts, file: UploadFile, tta: bool
) -> BatchItem:
    """One file's answer, and its row. Raises what is wrong with the service, not with the file."""
    item = BatchItem(id=facts.id, file_name=file.filename)
    status = 200
    image = await asked(state, await file.read(), tta)
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
