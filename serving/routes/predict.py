"""POST /predict: one image in, its class out."""

import hashlib
import time
from typing import Annotated

from fastapi import APIRouter, File, Request, Response, Security, UploadFile
from pydantic import BaseModel, ConfigDict, Field
from slowapi import Limiter

from leafgate.images import ImageLimits, decode
from leafgate.settings import Settings
from registry import ModelVersion
from serving.auth import current_user
from serving.limits import limited
from serving.problems import documented
from serving.state import RequestFacts, State
from serving.tokens import Claims


class UsedModel(BaseModel):
    """Which version answered."""

    name: str
    version: int

    @staticmethod
    def of(version: ModelVersion) -> "UsedModel":
        """From a registered version."""
        return UsedModel(name=version.name, version=version.version)


class Ranked(BaseModel):
    """One class and its probability."""

    model_config = ConfigDict(populate_by_name=True)

    class_name: str = Field(alias="class", examples=["rust"])
    confidence: float = Field(ge=0, le=1)


class PredictAnswer(Ranked):
    """The most probable class, up to five with their probabilities, and whether it is unknown."""

    request_id: str
    top: list[Ranked]
    unknown: bool = Field(description="unlike every training image: the class means nothing")
    unknown_score: float | None = Field(
        description="distance from the training images; null: this model cannot tell",
        examples=[1.1],
    )
    model: UsedModel
    latency_ms: float = Field(description="decoding and network, without the way here")


def predict_routes(settings: Settings, limiter: Limiter) -> APIRouter:
    """The route; images are bounded before they are decoded."""
    router = APIRouter(tags=["models"])
    limits = ImageLimits(settings.max_upload_bytes, settings.max_pixels)

    @router.post("/predict", responses=documented(401, 403, 413, 415, 422, 429, 503))
    @limited(limiter, settings, "predict")
    def predict(
        request: Request,
        response: Response,
        user: Annotated[Claims, Security(current_user, scopes=["predict"])],
        file: Annotated[UploadFile, File(description="JPEG, PNG, WEBP, BMP, GIF or TIFF")],
        state: State,
        facts: RequestFacts,
    ) -> PredictAnswer:
        """Classify one image with the version in production."""
        started = time.perf_counter()
        data = file.file.read()
        facts.file_name, facts.images = file.filename, 1
        facts.sha256 = hashlib.sha256(data).hexdigest()
        image = decode(data, limits)
        live = state.models.classifier.require()
        (answer,) = live.model.predict([image])
        facts.model_name, facts.model_version = live.version.name, live.version.version
        facts.class_name, facts.confidence = answer.class_name, answer.confidence
        return PredictAnswer(
            request_id=facts.request_id,
            class_name=answer.class_name,
            confidence=answer.confidence,
            top=[Ranked(class_name=name, confidence=value) for name, value in answer.top],
            unknown=answer.unknown,
            unknown_score=answer.unknown_score,
            model=UsedModel.of(live.version),
            latency_ms=(time.perf_counter() - started) * 1000,
        )

    return router
