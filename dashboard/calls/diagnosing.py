"""Diagnosing images, and saying what they really showed."""

from dataclasses import dataclass

from dashboard.client import ApiClient


@dataclass(frozen=True)
class Diagnosis:
    """The API's answer for one image. top: (class, confidence), most probable first.

    unknown: the image is unlike every training image.
    """

    request_id: str
    class_name: str
    confidence: float
    top: tuple[tuple[str, float], ...]
    model: str
    latency_ms: float
    unknown: bool = False


@dataclass(frozen=True)
class Correction:
    """What became of a correction. known: whether the model has such a class; told: the class that
    it had told, and right: whether that was the same; both None: the log was not there yet.
    """

    known: bool
    told: str | None
    right: bool | None


def predict(api: ApiClient, file_name: str, data: bytes) -> Diagnosis:
    """Classify one image."""
    answer = api.ask("POST", "/predict", files={"file": (file_name, data)}).json()
    return Diagnosis(
        request_id=answer["request_id"],
        class_name=answer["class"],
        confidence=answer["confidence"],
        top=tuple((item["class"], item["confidence"]) for item in answer["top"]),
        model=f"{answer['model']['name']} version {answer['model']['version']}",
        latency_ms=answer["latency_ms"],
        unknown=answer["unknown"],
    )


def send_feedback(api: ApiClient, request_id: str, class_name: str) -> Correction:
    """Say what an image really shows. request_id: of its diagnosis."""
    said = {"request_id": request_id, "class": class_name}
    answer = api.ask("POST", "/feedback", json=said).json()
    return Correction(answer["known"], answer["told"], answer["right"])
