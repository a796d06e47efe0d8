"""What a request gathers for its row in the log."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import perf_counter
from typing import Any, Literal

import uuid_utils
from starlette.requests import Request

from sql import RequestRecord

Lane = Literal["production", "canary", "shadow"]


@dataclass
class Facts:
    """What becomes known of one request on its way; the logging middleware writes it down.

    lane: which of the versions answered; part_of: the request that this one belongs to, if any;
    parameters: what was asked besides the image, as JSON; output_sha256: of generated pixels.
    """

    request_id: str
    user_name: str | None = None
    images: int = 0
    file_name: str | None = None
    sha256: str | None = None
    model_name: str | None = None
    model_version: int | None = None
    artifact_digest: str | None = None
    engine: str | None = None
    lane: Lane | None = None
    part_of: str | None = None
    class_name: str | None = None
    confidence: float | None = None
    unknown: bool | None = None
    unknown_score: float | None = None
    parameters: str | None = None
    output_sha256: str | None = None
    error_code: str | None = None

    @staticmethod
    def new() -> "Facts":
        """Of a request that comes now: with an id of its own, which sorts by time."""
        return Facts(str(uuid_utils.uuid7()))

    def part(self, file_name: str | None = None) -> "Facts":
        """Of something that belongs to this request, and is a row of its own."""
        made = Facts.new()
        made.part_of, made.user_name, made.file_name = self.request_id, self.user_name, file_name
        return made

    def known(self) -> dict[str, Any]:
        """By the names of the row's columns; its id apart."""
        return {name: value for name, value in vars(self).items() if name != "request_id"}


def facts_of(request: Request) -> Facts:
    """The facts of this request."""
    facts: Facts = request.state.facts
    return facts


@dataclass(frozen=True)
class PartClock:
    """The time of a part of a request: an image of several, a shadow."""

    endpoint: str
    at_utc: datetime = field(default_factory=lambda: datetime.now(UTC))
    started: float = field(default_factory=perf_counter)

    def record(self, facts: Facts, status: int) -> RequestRecord:
        """Its row, now that it is over."""
        return RequestRecord(
            id=facts.request_id,
            at_utc=self.at_utc,
            method="POST",
            endpoint=self.endpoint,
            status=status,
            latency_ms=(perf_counter() - self.started) * 1000,
            **facts.known(),
        )
