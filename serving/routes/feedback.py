"""POST /feedback: what an image really showed, said by somebody who knows."""

import json
import re
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Request, Response, Security
from pydantic import BaseModel, ConfigDict, Field, field_validator
from slowapi import Limiter

from leafgate.class_names import INVISIBLE, class_name, find_class, same_class
from leafgate.settings import Settings
from serving.answers import UsedModel, json_answer
from serving.auth import current_user
from serving.guarded_route import GuardedRoute
from serving.limits import limited
from serving.live_models import LiveModels
from serving.problems import documented
from serving.state import RequestFacts, State
from serving.token_claims import Claims
from sql import FeedbackRecord, PredictionRecord

UUID7 = "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-7[0-9a-fA-F]{3}-[89abAB][0-9a-fA-F]{3}-[0-9a-fA-F]{12}$"
CONTROL = "\\x00-\\x1f\\x7f-\\x9f\u2028\u2029"
# No control character, and something besides blanks and invisible characters.
CLASS = f"^[^{CONTROL}]*[^{CONTROL}\\s{INVISIBLE}][^{CONTROL}]*$"
LONGEST = 200


class FeedbackBody(BaseModel):
    """Of which image, and what it shows; that may be a class that no model knows."""

    request_id: str = Field(
        description="of an answer of /predict or /explain, or the id of an item of /predict/batch",
        examples=["01989f6e-7d3a-7c55-b1a0-2f3c4d5e6f70"],
        json_schema_extra={"pattern": UUID7, "format": "id-of-a-request"},
    )
    class_name: str = Field(
        alias="class", examples=["rust"], max_length=LONGEST, json_schema_extra={"pattern": CLASS}
    )

    @field_validator("request_id")
    @classmethod
    def _id(cls, value: str) -> str:
        if re.fullmatch(UUID7, value) is None:
            raise ValueError("not the id of a request, which is a UUID of version 7")
        return value.lower()

    @field_validator("class_name")
    @classmethod
    def _class(cls, value: str) -> str:
        name = class_name(value)
        if re.fullmatch(CLASS, value) is None or not name:
            raise ValueError("not the name of a class: it is empty, or has control characters")
        if len(name) > LONGEST:
            raise ValueError(f"the name of a class has at most {LONGEST} characters")
        return name


class FeedbackAnswer(BaseModel):
    """What was said, beside what had been told; that is null where the log was not there yet."""

    model_config = ConfigDict(populate_by_name=True)

    request_id: str = Field(description="of this very call, under which the log has it")
    prediction_id: str = Field(description="the id that was sent")
    class_name: str = Field(alias="class", examples=["rust"])
    known: bool = Field(
        description="false: neither the model in production nor the answer named this class; is it "
        "spelt as meant?"
    )
    told: str | None = Field(description="the class that had been told", examples=["healthy"])
    model: UsedModel | None = Field(description="what had told it")
    right: bool | None = Field(description="whether both are the same")


def feedback_routes(settings: Settings, limiter: Limiter) -> APIRouter:
    """The route. Whoever has the scope may correct any answer; the row says who did."""
    router = APIRouter(route_class=GuardedRoute, tags=["models"])
    responses = documented(401, 403, 404, 422, 429, 503)
    responses[202] = {
        "model": FeedbackAnswer,
        "description": "Accepted: stored like any other, but not yet held against the answer, "
        "which has not reached the log's database",
    }

    @router.post("/feedback", status_code=201, responses=responses, response_model=FeedbackAnswer)
    @limited(limiter, settings, "feedback")
    async def feedback(
        request: Request,
        response: Response,
        user: Annotated[Claims, Security(current_user, scopes=["feedback"])],
        body: FeedbackBody,
        state: State,
        facts: RequestFacts,
    ) -> Response:
        """Say what an image really shows; of several for one image the newest counts."""
        told = await state.corrections.told(body.request_id)
        known = find_class(body.class_name, [*_classes_told(told), *_labels(state.models)])
        name = known or body.class_name
        facts.feedback = FeedbackRecord(
            id=facts.request_id,
            at_utc=datetime.now(UTC),
            prediction_id=body.request_id,
            true_class=name,
            user_name=facts.user_name,
        )
        answer = FeedbackAnswer(
            request_id=facts.request_id,
            prediction_id=body.request_id,
            class_name=name,
            known=known is not None,
            told=told.class_name if told else None,
            model=_model_of(told) if told else None,
            right=same_class(told.class_name, name) if told else None,
        )
        return json_answer(answer, 201 if told else 202)

    return router


def _labels(models: LiveModels) -> tuple[str, ...]:
    live = models.classifier.live
    return () if live is None else live.model.description.labels


def _classes_told(told: PredictionRecord | None) -> list[str]:
    """The class that was told, then the others that were thought of."""
    if told is None:
        return []
    first = [told.class_name] if told.class_name else []
    return first + [name for name, _ in json.loads(told.most_probable or "[]")]


def _model_of(told: PredictionRecord) -> UsedModel:
    return UsedModel(
        name=told.model_name or "",
        version=told.model_version or 0,
        digest=told.artifact_digest or "",
        engine=told.engine or "",
    )
