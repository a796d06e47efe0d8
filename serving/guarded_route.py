"""Routes that look at the token before anything of the body is read.

FastAPI reads and parses a body before it runs dependencies, of which the token is one. Here the
scopes that a route's dependencies ask for are known when it is added, and checked first; so a new
route needs no entry anywhere. Use it as `route_class` of every router.
"""

from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

from fastapi import Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from leafgate.errors import UserError
from serving.auth import authenticate, current_user, require_scope
from serving.body_kinds import BodyKind
from serving.body_limit import announced_bytes, require_small
from serving.forms import BoundedRequest, FormLimits
from serving.limits import budget_of, require_budget

SMALL_BODY_BYTES = 64 * 1024  # read before the budget is looked at, since it may say what is asked
MAX_CONTENT_TYPE = 512  # characters; taking one apart costs the square of its length
Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class GuardedRoute(APIRoute):
    """A route that checks the token and the user's budget, and bounds the form, before its body."""

    def get_route_handler(self) -> Handler:
        """The handler, behind the checks."""
        handle, limits = super().get_route_handler(), FormLimits.of(self.dependant)
        scopes, kind = scopes_of(self.dependant), budget_of(self.endpoint)
        takes = BodyKind.of(self.dependant)

        async def guarded(request: Request) -> Response:
            require_small(request.scope)
            if scopes is not None:
                with body_unread(request):
                    claims = await authenticate(request)
                    for scope in scopes:
                        require_scope(claims, scope)
                if (door := getattr(request.state, "door", None)) is not None:
                    door.require_room(claims.subject)
            if len(request.headers.get("content-type", "")) > MAX_CONTENT_TYPE:
                raise UserError(
                    f"the Content-Type has more than {MAX_CONTENT_TYPE} characters",
                    "send a shorter one",
                    code="bad_request",
                )
            if takes is not None and announced_bytes(request.scope):
                with body_unread(request):
                    takes.require(request)
            if kind is not None and announced_bytes(request.scope) > SMALL_BODY_BYTES:
                require_budget(request, kind)
            return await handle(BoundedRequest(request.scope, request.receive, limits))

        return guarded


@contextmanager
def body_unread(request: Request) -> Iterator[None]:
    """Note, where the block raises UserError, that nothing of the body was read."""
    try:
        yield
    except UserError:
        request.state.is_body_unread = True
        raise


def scopes_of(dependant: Dependant) -> list[str] | None:
    """Every scope that the token needs, in order; None: no token is needed."""
    found: list[str] | None = None
    for below in dependant.dependencies:
        own = scopes_of(below)
        if below.call is current_user:
            own = [
                *(own or []),
                *(below.parent_oauth_scopes or []),
                *(below.own_oauth_scopes or []),
            ]
        if own is not None:
            found = [*(found or []), *(scope for scope in own if scope not in (found or []))]
    return found
