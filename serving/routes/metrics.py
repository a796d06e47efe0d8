"""GET /metrics: what the service counts, for Prometheus."""

import hmac
from typing import Annotated

from fastapi import APIRouter, Depends, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from leafgate.errors import UserError
from leafgate.settings import Settings
from serving.guarded_route import GuardedRoute
from serving.metrics import CONTENT_TYPE
from serving.problems import documented
from serving.state import State

_bearer = HTTPBearer(
    auto_error=False, scheme_name="Scraper", description="LEAFGATE_METRICS_TOKEN, where it is set"
)


def metrics_routes(settings: Settings) -> APIRouter:
    """The route, neither limited nor logged: for the one token of `metrics_token`.

    Without such a setting it is open on loopback, and closed where others can connect.
    """
    router = APIRouter(route_class=GuardedRoute, tags=["state"])
    wanted = settings.metrics_token
    guarded = bool(wanted) or not settings.is_loopback_only

    def scraper(sent: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]) -> None:
        if not wanted:
            raise UserError(
                f"this service listens beyond its own machine (LEAFGATE_HOST={settings.host}), "
                "and /metrics has no token",
                "set LEAFGATE_METRICS_TOKEN, and send it as `Authorization: Bearer`",
                code="metrics_closed",
            )
        token = sent.credentials if sent else ""
        if not hmac.compare_digest(token.encode(), wanted.get_secret_value().encode()):
            raise UserError(
                "the token is not the one for /metrics" if token else "no token was sent",
                "send `Authorization: Bearer` with the value of LEAFGATE_METRICS_TOKEN",
                code="token_invalid" if token else "token_missing",
            )

    @router.get(
        "/metrics",
        dependencies=[Depends(scraper)] if guarded else [],
        response_class=Response,
        responses={
            200: {"content": {"text/plain": {"schema": {"type": "string"}}}},
            **(documented(401, 403) if guarded else {}),
        },
    )
    def metrics(state: State) -> Response:
        """Counters, gauges and histograms in Prometheus's text form, over all workers."""
        return Response(state.metrics.text(), headers={"content-type": CONTENT_TYPE})

    return router
