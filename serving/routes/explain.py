"""POST /explain: a diagnosis, and where in the picture the network saw reason for it."""

import base64
import time
from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, File, Query, Request, Response, Security, UploadFile
from pydantic import Field
from slowapi import Limiter

from leafgate.class_names import find_class
from leafgate.errors import UserError
from leafgate.images import encode_png, resized, resized_within
from leafgate.settings import Settings
from registry import Explanation, overlay
from serving.answers import Diagnosis, UsedModel, diagnosis_fields, json_answer
from serving.auth import current_user
from serving.classify import (
    Asked,
    Classified,
    cost_of_image,
    decoded,
    note,
    opened_image,
    room_for,
)
from serving.guarded_route import GuardedRoute
from serving.limits import limited, set_cost
from serving.live import LiveClassifier
from serving.problems import documented
from serving.state import AppState, RequestFacts, State
from serving.token_claims import Claims

LONGEST_SIDE = 1024  # of the overlay, in pixels
COST = 2  # images' worth of work
EXPLAIN_WORK = 6_000_000  # pixels' worth of a decoding thread's time, of the network's second run
User = Annotated[Claims, Security(current_user, scopes=["predict"])]


class ExplainAnswer(Diagnosis):
    """A diagnosis with its heat map (Grad-CAM) laid over the picture."""

    request_id: str
    model: UsedModel
    explained: str = Field(description="the class that the heat map speaks for")
    overlay_png_base64: str = Field(description="warm colours: what spoke for the class")
    latency_ms: float


@dataclass(frozen=True)
class Explained:
    """overlay: (height, width, 3), the picture with its heat map, as PNG."""

    explanation: Explanation
    overlay: bytes


def explain_routes(settings: Settings, limiter: Limiter) -> APIRouter:
    """The route; it runs the network twice."""
    router = APIRouter(route_class=GuardedRoute, tags=["models"])
    responses = documented(400, 401, 403, 413, 415, 422, 429, 500, 503)
    responses[200] = {"content": {"image/png": {}}}

    async def one(
        request: Request,
        user: User,
        file: Annotated[UploadFile, File(description="JPEG, PNG, WEBP, BMP, GIF or TIFF")],
        state: State,
    ) -> Asked:
        image = await opened_image(state, user.subject, file, request=request)
        set_cost(request, cost_of_image(state, image, COST))
        return image

    @router.post("/explain", responses=responses, response_model=ExplainAnswer)
    @limited(limiter, settings, "predict")
    async def explain(
        request: Request,
        response: Response,
        user: User,
        image: Annotated[Asked, Depends(one)],
        state: State,
        facts: RequestFacts,
        class_name: Annotated[
            str | None,
            Query(
                alias="class",
                description="to speak for; else the one diagnosed",
                json_schema_extra={"format": "class-of-the-model"},
            ),
        ] = None,
        form: Annotated[
            Literal["json", "png"], Query(alias="format", description="json, or the overlay alone")
        ] = "json",
    ) -> Response:
        """Classify one image and show why."""
        started = time.perf_counter()
        known = facts.only_image(image.file_name)
        known.sha256 = image.sha256
        live = state.models.classifier.require()
        class_name = _known_class(live, class_name)
        work = state.models.work_of(COST)
        with (
            room_for(state, [image], EXPLAIN_WORK),
            state.models.to_classify.admit(work, user.subject),
        ):
            found = await _explain(state, live, image, class_name)
        prediction = found.explanation.prediction
        note(known, Classified(prediction, live, "production"), image)
        facts.answered_by(known)
        if form == "png":
            return Response(found.overlay, media_type="image/png")
        answer = ExplainAnswer(
            **diagnosis_fields(prediction, image.sha256),
            request_id=facts.request_id,
            model=UsedModel.of(live),
            explained=found.explanation.class_name,
            overlay_png_base64=base64.b64encode(found.overlay).decode(),
            latency_ms=(time.perf_counter() - started) * 1000,
        )
        return json_answer(answer)

    return router


def _known_class(live: LiveClassifier, class_name: str | None) -> str | None:
    """The class as the classifier spells it; None for None. Raises UserError `unknown_class`."""
    labels = live.model.description.labels
    found = None if class_name is None else find_class(class_name, labels)
    if class_name is not None and found is None:
        raise UserError(
            f"the classifier knows no class {class_name[:80]!r}",
            f"ask for one of: {', '.join(labels)}",
            code="unknown_class",
        )
    return found


async def _explain(
    state: AppState, live: LiveClassifier, image: Asked, class_name: str | None
) -> Explained:
    size, opened = live.model.description.image_size, image.require_opened()

    def explain() -> Explained:
        picture = opened.read(wanted_size=size)
        square, shown = resized(picture, size), resized_within(picture, LONGEST_SIDE)
        del picture  # large, and not needed while the network runs
        explanation = live.model.explain(square, class_name)
        state.uploads.keep(image.sha256, image.data)
        return Explained(explanation, encode_png(overlay(shown, explanation.heat)))

    return await decoded(state, image, image.work(size) + EXPLAIN_WORK, explain)
