"""What a request gathers for its row in the log."""

from dataclasses import dataclass
from typing import Any, Literal

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

    def known(self) -> dict[str, Any]:
        """By the names of the row's columns; its id apart."""
        return {name: value for name, value in vars(self).items() if name != "request_id"}
