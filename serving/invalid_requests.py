"""What is wrong with a request's values, in sentences that a person understands.

A problem document says it in `detail` and `fix`; the path of each value stands in `errors`, for
programs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import FormData

from leafgate.validation_words import SHOWN_CHARACTERS, WITHOUT_VALUE, name_of, rule_of, shown

PLACES = frozenset(("body", "query", "path", "header", "cookie"))
SECRET_FIELDS = frozenset(("password", "client_secret"))
# What a person leaves out most often: what to do, and the form of it for who writes a program.
MISSING = {
    "username": ("enter a user name", "the form needs the field `username`"),
    "password": ("enter a password", "the form needs the field `password`"),
    "file": ("no image was sent", "send it as the form's file `file`: `curl -F file=@leaf.jpg`"),
    "files": (
        "no images were sent",
        "send each as a file `files` of the form: `curl -F files=@a.jpg -F files=@b.jpg`",
    ),
    "class": ("no class was named", "say in `class` what the image shows"),
    "request_id": ("no answer was named", "send its `request_id`"),
    "reason": ("no reason was given", "say why, in `reason`"),
}
NAMES = {
    "class": "the class",
    "client_secret": "the client secret",
    "file": "the image",
    "files": "the images",
    "format": "the format",
    "grant_type": "the grant type",
    "jti": "the token's id (jti)",
    "limit": "the limit",
    "n": "the number of images (n)",
    "password": "the password",
    "reason": "the reason",
    "request_id": "the request id",
    "scope": "the scope",
    "seed": "the seed",
    "username": "the user name",
    "version": "the version",
}
CORRECT_IT = "correct it; /docs says what this call takes"
NO_JSON = "the body is not valid JSON", "correct it, and send `Content-Type: application/json`"
NO_OBJECT = (
    'the body must be a JSON object, as in {"name": "value"}',
    "send one with the fields that /docs names",
)


@dataclass(frozen=True)
class Wrong:
    """One thing that is wrong: in words, what to do, and where it stands."""

    detail: str
    fix: str
    place: str

    def as_json(self) -> dict[str, str]:
        """Of the document's `errors`."""
        return {"field": self.place[:SHOWN_CHARACTERS], "message": self.detail}


def what_is_wrong(errors: Sequence[Any], body: object) -> list[Wrong]:
    """Each once. errors: of FastAPI's RequestValidationError; body: what was sent."""
    found = [_wrong(item, body) for item in errors]
    return list({wrong.detail: wrong for wrong in found}.values())


def _wrong(item: Mapping[str, Any], body: object) -> Wrong:
    name, place = name_of(item, PLACES)[:SHOWN_CHARACTERS], ".".join(map(str, item["loc"]))
    if item["type"] == "json_invalid":
        at = item["loc"][-1]
        whole = f"{NO_JSON[0]} (character {at})" if isinstance(at, int) else NO_JSON[0]
        return Wrong(whole, NO_JSON[1], place)
    if not name:
        return Wrong(*(NO_OBJECT if body is not None else NO_JSON), place)
    if item["type"] == "missing":
        return _missing(name, body, place)
    if "UploadFile" in str(item["msg"]):
        sent = f"`{name}` is text, not a file"
        return Wrong(sent, f"send it as a file: `curl -F {name}=@leaf.jpg`", place)
    rule, value = rule_of(item), shown(item["input"])
    detail = f"{NAMES.get(name, f'`{name}`')} {rule}"
    if item["type"] not in WITHOUT_VALUE and name not in SECRET_FIELDS:
        detail += f", not {value}" if rule.startswith("must") else f": {value}"
    return Wrong(detail, CORRECT_IT, place)


def _missing(name: str, body: object, place: str) -> Wrong:
    detail, fix = MISSING.get(
        name, (f"`{name}` is missing", "send it; /docs says what this call takes")
    )
    others = sorted(set(body)) if isinstance(body, FormData) and name in ("file", "files") else []
    if others:
        listed = ", ".join(f"`{each[:SHOWN_CHARACTERS]}`" for each in others[:3])
        detail = f"no image was sent as `{name}`: the form has {listed}"
    return Wrong(detail, fix, place)
