"""Diagnosing images, showing why, and saying what they really showed."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from dashboard.client import ApiClient, ApiProblem

# Refusals that are about the file: it would be refused again.
OF_THE_FILE = frozenset(("not_an_image", "unreadable_image", "image_too_large", "body_too_large"))


@dataclass(frozen=True)
class Diagnosis:
    """The API's answer for one image. top: (class, confidence), most probable first.

    unknown: the image is unlike every training image. latency_ms: of the request, which brought
    `together` images. at_utc: when the answer came.
    """

    request_id: str
    class_name: str
    confidence: float
    top: tuple[tuple[str, float], ...]
    model: str
    version: int
    engine: str
    latency_ms: float
    unknown: bool = False
    together: int = 1
    at_utc: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def by(self) -> str:
        """What answered."""
        return f"{self.model} version {self.version}"


@dataclass(frozen=True)
class Problem:
    """Why an image got no diagnosis, and what to do. wait_seconds: until it may get one."""

    code: str
    detail: str
    fix: str
    request_id: str = ""
    wait_seconds: int | None = None

    @staticmethod
    def of(problem: ApiProblem) -> "Problem":
        """What the API said, to be kept."""
        return Problem(
            problem.code, problem.detail, problem.fix, problem.request_id, problem.wait_seconds
        )

    @property
    def is_of_the_file(self) -> bool:
        """Whether asking again would bring the same."""
        return self.code in OF_THE_FILE


@dataclass(frozen=True)
class HeatMap:
    """explained: the class it speaks for; overlay_png: the picture, upright, with the heat map."""

    request_id: str
    explained: str
    overlay_png: bytes


@dataclass(frozen=True)
class Correction:
    """What became of a correction. known: whether the model has such a class; told: the class that
    it had told, and right: whether that was the same; both None: the log was not there yet.
    """

    known: bool
    told: str | None
    right: bool | None


def predict(api: ApiClient, file_name: str, data: bytes) -> Diagnosis | Problem:
    """Classify one image. Raises ApiProblem for what is not the file's fault."""
    try:
        told = api.ask("POST", "/predict", files={"file": (file_name, data)}).json()
    except ApiProblem as problem:
        if problem.code in OF_THE_FILE:
            return Problem.of(problem)
        raise
    return _diagnosis(told, told["request_id"], told["model"], told["latency_ms"])


def predict_batch(
    api: ApiClient, files: Sequence[tuple[str, bytes]]
) -> tuple[Diagnosis | Problem, ...]:
    """Classify several images, (name, bytes) each, in one request; an answer for each, in order."""
    sent = [("files", each) for each in files]
    told = api.ask("POST", "/predict/batch", files=sent).json()
    answers = tuple(_item(each, told["latency_ms"], len(files)) for each in told["items"])
    if len(answers) != len(files):
        raise ApiProblem(
            f"the API answered {len(answers)} images of {len(files)}",
            "look into its log",
            "unexpected_answer",
            200,
        )
    return answers


def explain(api: ApiClient, file_name: str, data: bytes, class_name: str) -> HeatMap:
    """Where the network saw reason for the class: a request, and a row in the log, of its own."""
    told = api.ask(
        "POST", "/explain", files={"file": (file_name, data)}, params={"class": class_name}
    ).json()
    return HeatMap(
        told["request_id"], told["explained"], base64.b64decode(told["overlay_png_base64"])
    )


def classes_in_production(api: ApiClient, model: str) -> tuple[str, ...]:
    """Those that the model's version in production knows; none where it is not served."""
    for told in api.ask("GET", "/models").json():
        if told["name"] == model and told["alias"] == "production":
            return tuple(told["classes"])
    return ()


def send_feedback(api: ApiClient, request_id: str, class_name: str) -> Correction:
    """Say what an image really shows. request_id: of its diagnosis."""
    said = {"request_id": request_id, "class": class_name}
    answer = api.ask("POST", "/feedback", json=said).json()
    return Correction(answer["known"], answer["told"], answer["right"])


def _item(told: Mapping[str, Any], latency_ms: float, together: int) -> Diagnosis | Problem:
    wrong = told["problem"]
    if wrong is not None:
        return Problem(wrong["code"], wrong["detail"], wrong["fix"], told["id"])
    return _diagnosis(told["diagnosis"], told["id"], told["model"], latency_ms, together)


def _diagnosis(
    told: Mapping[str, Any],
    request_id: str,
    model: Mapping[str, Any],
    latency_ms: float,
    together: int = 1,
) -> Diagnosis:
    return Diagnosis(
        request_id=request_id,
        class_name=told["class"],
        confidence=told["confidence"],
        top=tuple((item["class"], item["confidence"]) for item in told["top"]),
        model=model["name"],
        version=model["version"],
        engine=model["engine"],
        latency_ms=latency_ms,
        unknown=told["unknown"],
        together=together,
    )
