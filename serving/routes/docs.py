"""GET /docs and /openapi.json: the API's documentation; nothing of the page comes from elsewhere.

FastAPI's own page loads its scripts from a public host, which then runs in the browser of people
who type their password there. Swagger UI lies in `static/swagger-ui` instead.
"""

from collections.abc import Awaitable, Callable
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response

from leafgate.strict_json import dump_json
from serving.guarded_route import GuardedRoute

FOLDER = Path(__file__).parents[1] / "static" / "swagger-ui"
ASSETS = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "start.js": "text/javascript",
    "favicon-32x32.png": "image/png",
}
CACHED = {"Cache-Control": "public, max-age=3600"}
# The page's own scripts alone; Swagger UI sets styles on elements and shows icons from data URLs.
CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)


def docs_routes(document: Callable[[], dict[str, Any]]) -> APIRouter:
    """The page, its files and the document that it shows, which is made once; open to all."""
    router = APIRouter(route_class=GuardedRoute, include_in_schema=False)
    html = (FOLDER / "page.html").read_bytes()
    written = cache(lambda: dump_json(document()).encode())

    @router.get("/openapi.json")
    async def openapi() -> Response:
        return Response(written(), media_type="application/json")

    @router.get("/docs")
    async def page() -> Response:
        """The page."""
        headers = {"Content-Security-Policy": CONTENT_POLICY}
        return Response(html, media_type="text/html", headers=headers)

    for name, media_type in ASSETS.items():
        router.add_api_route(f"/docs/{name}", _asset(name, media_type), methods=["GET"])
    return router


def _asset(name: str, media_type: str) -> Callable[[], Awaitable[Response]]:
    data = (FOLDER / name).read_bytes()  # kept, two megabytes: reading files by ranges costs more

    async def asset() -> Response:
        return Response(data, media_type=media_type, headers=CACHED)

    return asset
