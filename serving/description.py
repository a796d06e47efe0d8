"""The OpenAPI document: FastAPI's, with our problem documents in place of its own errors.

Every operation names every status that it can give. What no operation can give, but a request to
this service may get (404 for another path, 405 for another method), is said in the description.
"""

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI

from leafgate.images import FORMATS
from serving.problems import Problem, documented
from serving.refusals import CODES

Document = dict[str, Any]

INTRODUCTION = """Classify leaves and make synthetic ones.

Sign in with the Authorize button; every answer carries its request id in `X-Request-ID`.

A refusal is a problem document (RFC 9457) with a stable `code`, and says in `fix` what to do.
Another path answers `not_found`, another method `method_not_allowed` with the header `Allow`.

| status | code | for example |
|---|---|---|
"""
IMAGE_TYPES = tuple(f"image/{kind.lower()}" for kind in FORMATS)
NOT_LIMITED = ("/health", "/ready", "/metrics")  # by address
HEADERS = {
    "X-Request-ID": {
        "description": "The request's id, as in the log.",
        "schema": {"type": "string"},
    },
    "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}},
    "WWW-Authenticate": {"description": "`Bearer`.", "schema": {"type": "string"}},
}
HEADERS_OF_STATUS = {"401": "WWW-Authenticate", "429": "Retry-After", "503": "Retry-After"}


def introduction() -> str:
    """The document's description: how to sign in, and every code."""
    rows = (f"| {code.status} | `{name}` | {code.detail} |" for name, code in CODES.items())
    return INTRODUCTION + "\n".join(rows)


def describe(app: FastAPI, most_images: int) -> None:
    """Let `app.openapi` return the completed document. most_images: that one call can make."""
    plain = app.openapi

    def complete() -> Document:
        document = plain()
        if "Problem" not in document["components"]["schemas"]:
            _complete(document)
            _bound(document, most_images)
        return document

    app.openapi = complete  # type: ignore[method-assign]


def _complete(document: Document) -> None:
    components = document["components"]
    for replaced in ("HTTPValidationError", "ValidationError"):
        components["schemas"].pop(replaced, None)
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    components["schemas"].update(problem.pop("$defs"))
    components["schemas"]["Problem"] = problem
    components["examples"] = {name: _example(name) for name in CODES}
    components["headers"] = HEADERS
    for path, operations in document["paths"].items():
        for operation in operations.values():
            _complete_operation(path, operation)
            _name_image_types(operation, components["schemas"])


def _bound(document: Document, most_images: int) -> None:
    """Say how many images /generate makes at most, which is a setting."""
    for operation in document["paths"].get("/generate", {}).values():
        for parameter in operation.get("parameters", ()):
            if parameter["name"] == "n":
                parameter["schema"]["maximum"] = most_images
    for schema in document["components"]["schemas"].values():
        if schema.get("title", "").startswith("Generate") and "n" in schema.get("properties", {}):
            schema["properties"]["n"]["maximum"] = most_images


def _name_image_types(operation: Document, schemas: Document) -> None:
    """Say of an uploaded file that it is an image: a form's schema alone says only bytes.

    Of several files each may be anything: one that is no image has a problem of its own.
    """
    form = operation.get("requestBody", {}).get("content", {}).get("multipart/form-data")
    if form is None:
        return
    schema = schemas[form["schema"]["$ref"].rpartition("/")[2]]
    files = [name for name, value in schema["properties"].items() if "contentMediaType" in value]
    form["encoding"] = {name: {"contentType": ", ".join(IMAGE_TYPES)} for name in files}


def _complete_operation(path: str, operation: Document) -> None:
    responses = operation["responses"]
    given = {int(status) for status in responses}
    added = {500, *(() if path in NOT_LIMITED else (429,))}
    if "requestBody" in operation:
        added |= {400, 408, 413, 415, 422, 503}
    if operation.get("security"):
        added |= {401}
    fastapis_own = {422} if "HTTPValidationError" in str(responses.get("422")) else set()
    for status, response in documented(*sorted(added - given | fastapis_own)).items():
        responses[str(status)] = response
    for status, response in responses.items():
        names = ["X-Request-ID", *filter(None, [HEADERS_OF_STATUS.get(status)])]
        refs = {name: {"$ref": f"#/components/headers/{name}"} for name in names}
        response["headers"] = {**response.get("headers", {}), **refs}
    operation["responses"] = dict(sorted(responses.items()))


def _example(name: str) -> Document:
    code = CODES[name]
    value = Problem(
        title=HTTPStatus(code.status).phrase,
        status=code.status,
        detail=code.detail,
        fix=code.fix,
        code=name,
        request_id="01989f6e-7d3a-7c55-b1a0-2f3c4d5e6f70",
    )
    return {"summary": name, "value": value.model_dump(exclude_none=True)}
