"""Every code that an answer can carry: its status, and an example for the documentation.

Codes are stable, for machines; what a person reads names the values of the very request. A new one
is one line here. Raise `UserError(problem, fix, code=...)`, or `TryLater` where waiting helps.
"""

import math
from typing import NamedTuple

from starlette.exceptions import HTTPException

from leafgate.errors import UserError


class Code(NamedTuple):
    """status: of the answer; detail and fix: as they may read."""

    status: int
    detail: str
    fix: str


_SIGN_IN = "sign in again at POST /token"
_WAIT = "wait as long as Retry-After says"
_EXPORT = "it is damaged or cut off; export it again"

CODES = {
    "bad_request": Code(400, "the request cannot be understood", "correct it"),
    "malformed_body": Code(
        400, "the form is cut off: its last boundary did not come", "send all of it"
    ),
    "not_utf8": Code(
        400, "the field 'username' of the form is not UTF-8", "send the form in UTF-8"
    ),
    "bad_credentials": Code(401, "wrong user name or password", "check both"),
    "token_missing": Code(
        401, "no token was sent", "send `Authorization: Bearer TOKEN` with a token from POST /token"
    ),
    "token_expired": Code(401, "the token has expired", _SIGN_IN),
    "token_invalid": Code(401, "the token is not valid", _SIGN_IN),
    "token_revoked": Code(401, "the token was revoked", _SIGN_IN),
    "scope_missing": Code(
        403, "the token of ada has no scope 'generate'", "ask whoever runs this service for it"
    ),
    "metrics_closed": Code(
        403,
        "this service listens beyond its own machine, and /metrics has no token",
        "set LEAFGATE_METRICS_TOKEN",
    ),
    "no_public_keys": Code(404, "tokens are signed by a secret", "there is nothing to fetch"),
    "sign_in_elsewhere": Code(
        404, "tokens are issued by another service", "sign in there, and send its token here"
    ),
    "no_such_request": Code(
        404,
        "no image was diagnosed under 01989f6e-7d3a-7c55-b1a0-2f3c4d5e6f70",
        "send the request_id of an answer, or the id of an item of /predict/batch",
    ),
    "no_such_model": Code(
        404, "there is no model 'leaf'", "ask for leaf-classifier or leaf-generator"
    ),
    "no_such_version": Code(
        404, "leaf-classifier has no version 12", "GET /models/leaf-classifier/versions lists them"
    ),
    "no_such_picture": Code(
        404,
        "the gate report of leaf-classifier version 3 has no picture of 'size'",
        "`pictures` in the report of the version lists them",
    ),
    "not_found": Code(404, "there is no /predictions", "see /docs for what there is"),
    "method_not_allowed": Code(405, "/predict does not take GET", "use POST"),
    "not_in_production": Code(
        409,
        "version 2 of leaf-classifier is not in production: 3 is",
        "nothing has to be done",
    ),
    "in_production": Code(
        409,
        "leaf-classifier version 2 is in production, where a hold would change nothing",
        "go back to the version before",
    ),
    "on_hold": Code(
        409, "leaf-classifier version 1 is on hold: eve says: wait", "release it first"
    ),
    "held_already": Code(
        409, "leaf-classifier version 1 is on hold already", "nothing has to be done"
    ),
    "not_held": Code(409, "leaf-classifier version 1 is not on hold", "nothing has to be done"),
    "not_vouched": Code(
        409, "leaf-classifier version 1 was never promoted", "have it judged by `leafgate gate`"
    ),
    "audit_unsound": Code(
        409,
        "the audit of leaf-classifier is not sound: record 4 is missing",
        "see `leafgate models audit leaf-classifier --verify`",
    ),
    "not_registered": Code(
        409,
        "leaf-classifier version 1 is not on record: the audit has no signed registration of it",
        "train it again",
    ),
    "artifact_changed": Code(
        409,
        "the stored files of leaf-classifier version 1 have digest 0123456789ab, registered was "
        "ba9876543210",
        "train it again",
    ),
    "artifact_missing": Code(
        409, "the files of leaf-classifier version 1 are gone", "train it again"
    ),
    "artifact_unsafe": Code(
        409, "the stored 'code/x' of leaf-classifier version 1 is a link", "train it again"
    ),
    "move_overtaken": Code(
        409,
        "the registry took more than 60 s, and another command has settled the move",
        "see `leafgate models audit`",
    ),
    "request_timeout": Code(
        408, "no byte of the body came for 10 s", "send it again, over a better connection"
    ),
    "body_too_large": Code(413, "the body has 20,000,000 bytes", "send at most 10,551,296"),
    "image_too_large": Code(
        413, "the image has 10000 x 10000 = 100,000,000 pixels", "scale it down"
    ),
    "url_too_long": Code(414, "the URL has more than 65,536 bytes", "send values in the body"),
    "unsupported_encoding": Code(
        415,
        "the body has the Content-Encoding 'gzip', and only uncompressed ones are taken",
        "send it uncompressed, without the header Content-Encoding",
    ),
    "unsupported_media_type": Code(
        415,
        "the body is of the type 'image/jpeg', and /predict takes multipart/form-data",
        "send a form with the file `file`: `curl -F file=@leaf.jpg`",
    ),
    "not_an_image": Code(415, "the file is not an image", "send one of JPEG, PNG, WEBP"),
    "unreadable_image": Code(422, "the JPEG image cannot be read", _EXPORT),
    "out_of_range": Code(422, "n=1000", "ask for 1 to 256 images"),
    "class_not_supported": Code(422, "class=rust", "leave the class out: this model has none"),
    "unknown_class": Code(422, "class=moss", "ask for one of healthy, rust"),
    "too_many_images": Code(422, "100 images in one request", "send at most 64"),
    "invalid_request": Code(
        422,
        "no image was sent",
        "send it as the form's file `file`: `curl -F file=@leaf.jpg`",
    ),
    "too_many_parts": Code(422, "the form has more than 1 file", "send only what /docs names"),
    "no_reason": Code(422, "promote without a reason", "say why, in `reason`"),
    "too_many_requests": Code(429, "more than 600 per 1 minute requests", _WAIT),
    "sign_in_slowed": Code(429, "too many wrong passwords", _WAIT),
    "headers_too_large": Code(
        431, "more than 100 header lines, or 65,536 bytes of them", "send fewer and shorter ones"
    ),
    "internal_error": Code(
        500, "the service failed", "try again; tell whoever runs it the request id"
    ),
    "engine_failed": Code(500, "the model failed on this image", "try again, or another image"),
    "no_production_model": Code(
        503, "leaf-classifier is not being served", "promote a version with `leafgate gate`"
    ),
    "log_full": Code(
        503, "requests cannot be recorded: the log's outbox is full", "try again in some minutes"
    ),
    "log_unavailable": Code(
        503, "the request cannot be recorded: the disk is full or at fault", "try again later"
    ),
    "no_audit_key": Code(
        503, "no key to sign the audit trail with", "set LEAFGATE_AUDIT_KEY on this host"
    ),
    "registry_error": Code(503, "MLflow does not answer", "check that it runs, then ask again"),
    "audit_memory": Code(
        503,
        "what this host remembers of the audit cannot be read or written: leaf-classifier.json",
        "make the folder writable",
    ),
    "audit_unreachable": Code(503, "the audit trail does not answer", "check the database"),
    "move_failed": Code(
        503,
        "the rollback of leaf-classifier was not finished (nothing after 120 s)",
        "see `leafgate models audit` for how far it came, then ask again",
    ),
    "database_away": Code(503, "the database does not answer", "try again in a moment"),
    "database_refuses": Code(
        503,
        "the database does not allow what this takes",
        "tell whoever runs it: the log says what the login lacks",
    ),
    "sign_in_busy": Code(503, "too many are signing in", "try again"),
    "too_many_connections": Code(
        503, "too many connections are open", "use fewer connections, and one for several requests"
    ),
    "uploads_full": Code(503, "uploads of 268,435,456 bytes are under way", _WAIT),
    "overloaded": Code(503, "64 images wait already", _WAIT),
    "queue_timeout": Code(503, "the image waited 5 s for the model", _WAIT),
    "shutting_down": Code(503, "this process is stopping", "ask another one, or again soon"),
}
STATUS_OF_CODE = {name: code.status for name, code in CODES.items()}
CODE_OF_STATUS = {
    400: "malformed_body",
    404: "not_found",
    405: "method_not_allowed",
}


class TryLater(UserError):
    """A refusal that passes by itself; the answer's Retry-After says when (whole seconds, 1 up)."""

    def __init__(self, problem: str, fix: str, code: str, retry_after_seconds: float = 5.0) -> None:
        super().__init__(problem, fix, code)
        self.retry_after_seconds = max(1, math.ceil(retry_after_seconds))


class BodyRefused(HTTPException):
    """A body that is not taken. An HTTPException, since FastAPI answers 400 for any other error
    while it reads a body.
    """

    def __init__(
        self, status: int, code: str, detail: str, fix: str, retry_after: float | None = None
    ) -> None:
        super().__init__(status, detail)
        self.code, self.fix, self.retry_after = code, fix, retry_after
