"""What a request gathers for its rows in the log."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import perf_counter
from typing import Literal

import uuid_utils
from starlette.requests import Request

from leafgate.strict_json import dump_json
from sql import (
    Entry,
    FeedbackRecord,
    GenerationRecord,
    PredictionRecord,
    Readings,
    RequestRecord,
)

Lane = Literal["production", "canary", "shadow"]
MOST_PROBABLE_LENGTH = 1500  # of its column, in units of UTF-16


def new_id() -> str:
    """Of what comes now: it sorts by time (UUIDv7)."""
    return str(uuid_utils.uuid7())


def writable(text: str) -> str:
    """The text without what no UTF-8 and no database can hold: lone surrogates, NUL."""
    return text.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")


@dataclass
class ImageFacts:
    """What becomes known of one image on its way. id: the request's own, if it is the only one.

    lane: which of the versions answered; tta: over the eight positions of the square.
    """

    id: str
    request_id: str
    position: int = 0
    file_name: str | None = None
    sha256: str | None = None
    lane: Lane | None = None
    model_name: str | None = None
    model_version: int | None = None
    artifact_digest: str | None = None
    engine: str | None = None
    tta: bool | None = None
    class_name: str | None = None
    confidence: float | None = None
    unknown: bool | None = None
    unknown_score: float | None = None
    top: tuple[tuple[str, float], ...] = ()
    error_code: str | None = None
    at_utc: datetime = field(default_factory=lambda: datetime.now(UTC))
    started: float = field(default_factory=perf_counter)

    def shadow(self) -> "ImageFacts":
        """Of the same image, for a version that answers beside; it is a row of its own."""
        return ImageFacts(new_id(), self.request_id, self.position, self.file_name, self.sha256)

    def record(self, status: int) -> PredictionRecord:
        """Its row, now that it is over."""
        known = {k: v for k, v in vars(self).items() if k not in ("top", "started", "file_name")}
        return PredictionRecord(
            **known,
            file_name=writable(self.file_name) if self.file_name else None,
            status=status,
            latency_ms=(perf_counter() - self.started) * 1000,
            most_probable=_as_json(self.top),
        )


def _as_json(top: tuple[tuple[str, float], ...]) -> str | None:
    """As many of the classes as the column holds."""
    for number in range(len(top), 0, -1):
        ranked = [[name, round(value, 6)] for name, value in top[:number]]
        text = dump_json(ranked)
        if len(text.encode("utf-16-le", "surrogatepass")) <= 2 * MOST_PROBABLE_LENGTH:
            return text
    return None


@dataclass
class GenerationFacts:
    """What becomes known of a request for pictures. output_sha256: of their pixels, in order;
    to_seed: of those on the way from one seed to another; reader_name, reader_version: of the
    classifier that reads them; readings: as what, so far.
    """

    model_name: str
    model_version: int
    artifact_digest: str | None
    engine: str
    asked: int
    seed: int
    class_name: str | None
    to_seed: int | None = None
    made: int = 0
    output_sha256: str | None = None
    reader_name: str | None = None
    reader_version: int | None = None
    readings: Readings = field(default_factory=Readings)

    def record(self, identifier: str, at_utc: datetime) -> GenerationRecord:
        """Its row. identifier, at_utc: of the request."""
        known = {name: value for name, value in vars(self).items() if name != "readings"}
        return GenerationRecord(
            id=identifier, at_utc=at_utc, **known, read_classes=self.readings.as_json()
        )


@dataclass
class Facts:
    """What becomes known of one request; the logging middleware writes it down.

    image: the only one of the request; predictions: of several, those that are over; only_counted:
    it gets no row of its own in any case; has_begun: something is being changed.
    """

    request_id: str
    user_name: str | None = None
    images: int = 0
    model_name: str | None = None
    model_version: int | None = None
    error_code: str | None = None
    image: ImageFacts | None = None
    predictions: list[PredictionRecord] = field(default_factory=list)
    generation: GenerationFacts | None = None
    feedback: FeedbackRecord | None = None
    only_counted: bool = False
    has_begun: bool = False
    at_utc: datetime = field(default_factory=lambda: datetime.now(UTC))
    started: float = field(default_factory=perf_counter)

    @property
    def seconds(self) -> float:
        """Since it came."""
        return perf_counter() - self.started

    def is_cheap(self, status: int) -> bool:
        """Whether nothing came of the request but its own row: without a user, or refused."""
        if self.predictions or self.generation is not None or self.feedback is not None:
            return False
        if self.has_begun:
            return False
        if self.image is not None and self.image.sha256 is not None:
            return False
        return self.user_name is None or 400 <= status < 500

    @staticmethod
    def new() -> "Facts":
        """Of a request that comes now."""
        return Facts(new_id())

    def only_image(self, file_name: str | None) -> ImageFacts:
        """Of a request's one image; it shares the request's id."""
        self.images = 1
        self.image = ImageFacts(self.request_id, self.request_id, file_name=file_name)
        return self.image

    def answered_by(self, image: ImageFacts) -> None:
        """The version that answered for the image answered the request."""
        self.model_name, self.model_version = image.model_name, image.model_version

    def image_of_several(self, position: int, file_name: str | None) -> ImageFacts:
        """Of an image that is a row, and has an id, of its own."""
        return ImageFacts(new_id(), self.request_id, position, file_name)

    def entry(
        self, method: str, path: str, status: int, source: str | None, client: str | None = None
    ) -> Entry:
        """All its rows, now that the answer is known. source: the address; client: the program."""
        predictions = list(self.predictions)
        if self.image is not None and self.image.sha256 is not None:
            self.image.error_code = self.error_code
            predictions.append(self.image.record(status))
        predictions.sort(key=lambda each: each.position)
        used = next((each for each in predictions if each.model_version is not None), None)
        request = RequestRecord(
            id=self.request_id,
            at_utc=self.at_utc,
            method=method,
            endpoint=writable(path),
            status=status,
            latency_ms=self.seconds * 1000,
            user_name=self.user_name,
            source=source,
            images=self.images,
            model_name=self.model_name or (used.model_name if used else None),
            model_version=self.model_version or (used.model_version if used else None),
            error_code=self.error_code,
            client=client,
        )
        made = self.generation
        return Entry(
            request=request,
            predictions=tuple(predictions),
            generation=made.record(self.request_id, self.at_utc) if made else None,
            feedback=self.feedback,
        )


def facts_of(request: Request) -> Facts:
    """The facts of this request."""
    facts: Facts = request.state.facts
    return facts
