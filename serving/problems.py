"""Errors as problem documents (RFC 9457, `application/problem+json`) with stable codes."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import BaseModel, Field
from slowapi.errors import RateLimitExceeded
from starlette.exceptions import HTTPException
from starlette.routing import Match
from starlette.types import Send

from leafgate.errors import UserError
from leafgate.strict_json import dump_json
from serving.facts import Facts, facts_of, writable
from serving.head_requests import asked_method, takes_head
from serving.invalid_requests import what_is_wrong
from serving.limits import retry_seconds
from serving.refusals import CODE_OF_STATUS, CODES, STATUS_OF_CODE, BodyRefused

MEDIA_TYPE = "application/problem+json"
RETRY_SECONDS = 5
SHOWN_CHARACTERS = 80  # of a value in a message
UNREADABLE = "There was an error parsing the body"  # FastAPI's words for any other error


class WrongValue(BaseModel):
    """One value of a request that is wrong. field: the path to it, such as `body.class`."""

    field: str
    message: str


class Problem(BaseModel):
    """What every refusal answers. fix: what the caller can do; code: stable, for machines."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    fix: str
    code: str = Field(examples=sorted(CODES))
    request_id: str
    errors: list[WrongValue] | None = Field(
        None, description="of `invalid_request` alone: each value that is wrong"
    )


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """`responses=` of a route, for its OpenAPI description: every code of these statuses."""
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {
                MEDIA_TYPE: {
                    "schema": {"$ref": "#/components/schemas/Problem"},
                    "examples": {
                        name: {"$ref": f"#/components/examples/{name}"}
                        for name, code in CODES.items()
                        if code.status == status
                    },
                }
            },
        }
        for status in statuses
    }


def problem_body(
    status: int,
    code: str,
    detail: str,
    fix: str,
    request_id: str,
    errors: Sequence[Mapping[str, str]] = (),
) -> bytes:
    """The document as JSON; what a full service writes most often, so without a model's detour."""
    problem: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": writable(detail),
        "fix": writable(fix),
        "code": code,
        "request_id": request_id,
    }
    if errors:
        problem["errors"] = [
            {name: writable(text) for name, text in each.items()} for each in errors
        ]
    return dump_json(problem).encode()


def _headers(status: int, retry_after: float | None = None) -> dict[str, str]:
    """What the status calls for."""
    headers = {}
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    if retry_after is not None or status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = str(retry_after or RETRY_SECONDS)
    return headers


def problem_response(
    request: Request,
    status: int,
    code: str,
    detail: str,
    fix: str,
    retry_after: float | None = None,
    errors: Sequence[Mapping[str, str]] = (),
) -> Response:
    """The answer, with the headers that its status calls for; the code goes into the log row."""
    facts = facts_of(request)
    facts.error_code = code
    body = problem_body(status, code, detail, fix, facts.request_id, errors)
    return Response(body, status, _headers(status, retry_after), media_type=MEDIA_TYPE)


async def send_problem(
    send: Send,
    facts: Facts,
    status: int,
    code: str,
    detail: str,
    fix: str,
    headers: Mapping[str, str] | None = None,
) -> None:
    """The answer of a middleware, where no route has been reached."""
    facts.error_code = code
    body = problem_body(status, code, detail, fix, facts.request_id)
    about = {"content-type": MEDIA_TYPE, "content-length": str(len(body))}
    told = {**about, **_headers(status), **(headers or {})}
    raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in told.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": body})


def add_problem_handlers(app: FastAPI) -> None:
    """Answer every foreseeable error of `app` with a problem document.

    The handlers are coroutines, since Starlette runs others in a thread: a refusal must stay cheap.
    """
    app.add_exception_handler(UserError, _user_error)
    app.add_exception_handler(RequestValidationError, _invalid_request)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RateLimitExceeded, _too_many)


async def _user_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, UserError)  # noqa: S101 - registered for this type
    status = STATUS_OF_CODE.get(error.code, 400)
    wait = getattr(error, "retry_after_seconds", None)  # of a TryLater
    answer = problem_response(request, status, error.code, error.problem, error.fix, wait)
    if error.code == "unsupported_encoding":
        answer.headers["Accept-Encoding"] = "identity"  # RFC 9110, 15.5.16
    if getattr(request.state, "is_body_unread", False) and _has_body(request):
        answer.headers["Connection"] = "close"
    return answer


def _has_body(request: Request) -> bool:
    headers = request.headers
    return "transfer-encoding" in headers or headers.get("content-length", "0") != "0"


async def _invalid_request(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    wrong = what_is_wrong(error.errors(), error.body)
    detail = "; ".join(each.detail for each in wrong)
    fix = "; ".join(dict.fromkeys(each.fix for each in wrong))
    listed = [each.as_json() for each in wrong]
    return problem_response(request, 422, "invalid_request", detail, fix, errors=listed)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    status, path = error.status_code, request.url.path[:SHOWN_CHARACTERS]
    if isinstance(error, BodyRefused):
        return problem_response(
            request, status, error.code, error.detail, error.fix, error.retry_after
        )
    code = CODE_OF_STATUS.get(status, "http_error")
    detail, fix, headers = str(error.detail), "see /docs", dict(error.headers or {})
    if status == HTTPStatus.NOT_FOUND:
        if (elsewhere := without_slash(request)) is not None:
            return Response(status_code=307, headers={"Location": elsewhere})
        detail, fix = f"there is no {path}", "see /docs for what there is"
    elif status == HTTPStatus.METHOD_NOT_ALLOWED:
        known = _methods(request)
        headers["Allow"] = ", ".join(known + ["HEAD"] * takes_head(known, request.url.path))
        detail = f"{path} does not take {asked_method(request)}"
        fix = f"use {' or '.join(known)}"
    elif error.detail == UNREADABLE:
        detail = "the body cannot be read: it is not JSON in UTF-8, or nested too deeply"
        fix = "correct it; /docs says what this call takes"
    answer = problem_response(request, status, code, detail, fix)
    answer.headers.update(headers)
    return answer


def without_slash(request: Request) -> str | None:
    """Where the same is without slashes at its end; None where nothing is.

    A path and no URL: the Host header, and so the host and scheme of a URL, are the caller's.
    """
    path, raw = request.scope["path"], request.scope.get("raw_path", b"").decode("latin-1")
    shorter = path.rstrip("/")
    short = raw.rstrip("/")
    # A slash that is written as %2F would stay, and lead here again.
    if shorter in (path, "") or raw.startswith("//") or unquote(short) != shorter:
        return None
    scope = {**request.scope, "path": shorter}
    if all(route.matches(scope)[0] is Match.NONE for route in request.app.router.routes):
        return None
    query = request.scope["query_string"].decode("latin-1")
    return short + (f"?{query}" if query else "")


def _methods(request: Request) -> list[str]:
    """What the path of a refused method does take; its template stands in the request's scope."""
    path = getattr(request.scope.get("route"), "path", request.url.path)
    described = request.app.openapi()["paths"].get(path, {"get": None})
    return sorted(method.upper() for method in described)


async def _too_many(request: Request, error: Exception) -> Response:
    assert isinstance(error, RateLimitExceeded)  # noqa: S101
    request.app.state.spent_budgets.note(request, error)
    detail = f"more than {error.detail} requests"
    seconds = retry_seconds(request)
    fix = f"wait {seconds} s, as Retry-After says"
    answer = problem_response(request, 429, "too_many_requests", detail, fix)
    limited: Response = request.app.state.limiter._inject_headers(
        answer, request.state.view_rate_limit
    )
    limited.headers["Retry-After"] = str(seconds)
    return limited
