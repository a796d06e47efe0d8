"""Errors as problem documents (RFC 9457, `application/problem+json`) with stable codes."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import BaseModel, Field
from slowapi.errors import RateLimitExceeded
from starlette.exceptions import HTTPException
from starlette.types import Send

from leafgate.errors import ComeBackLater, UserError
from serving.limits import retry_seconds
from serving.state import Facts, facts_of

MEDIA_TYPE = "application/problem+json"

STATUS_OF_CODE = {
    "bad_credentials": 401,
    "token_missing": 401,
    "token_expired": 401,
    "token_invalid": 401,
    "token_revoked": 401,
    "scope_missing": 403,
    "no_public_keys": 404,
    "sign_in_elsewhere": 404,
    "image_too_large": 413,
    "body_too_large": 413,
    "not_an_image": 415,
    "unreadable_image": 422,
    "out_of_range": 422,
    "class_not_supported": 422,
    "unknown_class": 422,
    "invalid_request": 422,
    "sign_in_slowed": 429,
    "too_many_requests": 429,
    "no_production_model": 503,
    "sign_in_busy": 503,
}
CODE_OF_STATUS = {404: "not_found", 405: "method_not_allowed", 413: "body_too_large"}
RETRY_SECONDS = 5


class Problem(BaseModel):
    """What every refusal answers. fix: what the caller can do; code: stable, for machines."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    fix: str
    code: str = Field(examples=sorted(STATUS_OF_CODE))
    request_id: str


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """`responses=` of a route, for its OpenAPI description."""
    content = {MEDIA_TYPE: {"schema": Problem.model_json_schema()}}
    return {s: {"description": HTTPStatus(s).phrase, "content": content} for s in statuses}


def problem_body(status: int, code: str, detail: str, fix: str, request_id: str) -> bytes:
    """The document as JSON."""
    problem = Problem(
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        fix=fix,
        code=code,
        request_id=request_id,
    )
    return problem.model_dump_json().encode()


def problem_response(request: Request, status: int, code: str, detail: str, fix: str) -> Response:
    """The answer, with the headers that its status calls for; the code goes into the log row."""
    facts = facts_of(request)
    facts.error_code = code
    body = problem_body(status, code, detail, fix, facts.request_id)
    headers = {}
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = str(RETRY_SECONDS)
    return Response(body, status, headers, media_type=MEDIA_TYPE)


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
    told = {"content-type": MEDIA_TYPE, "content-length": str(len(body)), **(headers or {})}
    raw = [(name.encode(), value.encode()) for name, value in told.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": body})


def add_problem_handlers(app: FastAPI) -> None:
    """Answer every foreseeable error of `app` with a problem document."""
    app.add_exception_handler(UserError, _user_error)
    app.add_exception_handler(RequestValidationError, _invalid_request)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RateLimitExceeded, _too_many)


def _user_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, UserError)  # noqa: S101 - registered for this type
    status = STATUS_OF_CODE.get(error.code, 400)
    answer = problem_response(request, status, error.code, error.problem, error.fix)
    if isinstance(error, ComeBackLater):
        answer.headers["Retry-After"] = str(error.retry_after_seconds)
    return answer


def _invalid_request(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    found = [
        f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}"
        + (f", got {str(item['input'])[:80]!r}" if item["type"] != "missing" else "")
        for item in error.errors()
    ]
    fix = "correct the request; /docs describes it"
    return problem_response(request, 422, "invalid_request", "; ".join(found), fix)


def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    code = CODE_OF_STATUS.get(error.status_code, "http_error")
    limit = f"{request.app.state.leafgate.settings.max_upload_bytes:,}"
    fixes = {413: f"send at most {limit} bytes", 404: "see /docs for what there is"}
    fix = fixes.get(error.status_code, "see /docs")
    answer = problem_response(request, error.status_code, code, str(error.detail), fix)
    answer.headers.update(error.headers or {})
    return answer


def _too_many(request: Request, error: Exception) -> Response:
    assert isinstance(error, RateLimitExceeded)  # noqa: S101
    detail = f"more than {error.detail} requests"
    fix = "wait as long as Retry-After says"
    answer = problem_response(request, 429, "too_many_requests", detail, fix)
    limited: Response = request.app.state.limiter._inject_headers(
        answer, request.state.view_rate_limit
    )
    limited.headers["Retry-After"] = str(retry_seconds(request))
    return limited
