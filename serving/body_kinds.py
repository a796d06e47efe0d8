"""What kind of body a route takes; any other is refused with the remedy, before it is read.

FastAPI takes a form of another kind for an empty one, and would try to parse a compressed body.
"""

from dataclasses import dataclass

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.params import File, Form
from python_multipart.multipart import parse_options_header

from leafgate.errors import UserError

MULTIPART, URLENCODED = "multipart/form-data", "application/x-www-form-urlencoded"
SHOWN_CHARACTERS = 80


@dataclass(frozen=True)
class BodyKind:
    """types: the media types that are taken; fix: how to send one."""

    types: tuple[str, ...]
    fix: str

    @staticmethod
    def of(dependant: Dependant) -> "BodyKind | None":
        """What a route and its dependencies ask for; None: no body."""
        fields = _body_fields(dependant)
        for name, info in fields:
            if isinstance(info, File):
                as_curl = f"`curl -F {name}=@leaf.jpg`"
                return BodyKind((MULTIPART,), f"send a form with the file `{name}`: {as_curl}")
        if any(isinstance(info, Form) for _, info in fields):
            return BodyKind((URLENCODED, MULTIPART), "send a form, as `curl -d name=value` does")
        if fields:
            fix = "send JSON, and say so: `Content-Type: application/json`"
            return BodyKind(("application/json",), fix)
        return None

    def require(self, request: Request) -> None:
        """Raises UserError `unsupported_encoding` or `unsupported_media_type`."""
        coding = ", ".join(request.headers.getlist("content-encoding")).strip()
        if coding.lower() not in ("", "identity"):
            raise UserError(
                f"the body has the Content-Encoding {coding[:SHOWN_CHARACTERS]!r}, and only "
                "uncompressed ones are taken",
                "send it uncompressed, without the header Content-Encoding",
                code="unsupported_encoding",
            )
        sent = parse_options_header(request.headers.get("content-type"))[0].decode("latin-1")
        if not self._takes(sent):
            what = f"is of the type {sent[:SHOWN_CHARACTERS]!r}" if sent else "has no Content-Type"
            raise UserError(
                f"the body {what}, and {request.url.path[:SHOWN_CHARACTERS]} takes "
                f"{' or '.join(self.types)}",
                self.fix,
                code="unsupported_media_type",
            )

    def _takes(self, sent: str) -> bool:
        is_json = sent.startswith("application/") and sent.endswith("+json")
        return sent in self.types or (is_json and "application/json" in self.types)


def _body_fields(dependant: Dependant) -> list[tuple[str, object]]:
    own = [(each.alias, each.field_info) for each in dependant.body_params]
    return [*own, *(each for below in dependant.dependencies for each in _body_fields(below))]
