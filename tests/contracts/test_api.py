"""The HTTP API: its OpenAPI document, its routes, the codes of its errors, its metrics."""

import ast
from typing import Any

from tests.contracts import product
from tests.contracts.frozen import require_same_json


def test_the_openapi_document(settings: Any) -> None:
    require_same_json("openapi.json", product.api(settings).openapi())


def test_routes_with_those_outside_the_openapi_document(settings: Any) -> None:
    routes = sorted(set(_routes(product.api(settings).routes)))
    assert len(routes) > 15
    require_same_json("routes.json", routes)


def _routes(routes: Any, prefix: str = "") -> Any:
    for route in routes:
        if hasattr(route, "path"):
            methods = sorted(getattr(route, "methods", None) or ["mount"])
            yield f"{prefix}{route.path} {' '.join(methods)}"
        elif (inner := getattr(route, "original_router", None)) is not None:
            yield from _routes(inner.routes, prefix)


def test_error_codes_of_the_api_with_their_status() -> None:
    require_same_json("api_error_codes.json", product.api_codes())


def test_error_codes_of_all_parts() -> None:
    """Of every `code="…"` in the sources: the CLI, child processes and the API share them."""
    codes = {
        keyword.value.value
        for file in product.source_files()
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        for keyword in node.keywords
        if keyword.arg == "code"
        and isinstance(keyword.value, ast.Constant)
        and isinstance(keyword.value.value, str)
    }
    assert len(codes) > 80
    require_same_json("error_codes_in_sources.json", sorted(codes))


def test_prometheus_metrics() -> None:
    actual = {}
    for metric in list(product.api_metrics()._collector_to_names):
        actual[metric._name] = {
            "type": metric._type,
            "labels": list(metric._labelnames),
            "help": metric._documentation,
            "multiprocess_mode": getattr(metric, "_multiprocess_mode", ""),
            "buckets": [str(bound) for bound in getattr(metric, "_upper_bounds", ())],
        }
    assert len(actual) > 15
    require_same_json(
        "prometheus_metrics.json",
        {"content_type": product.metrics_content_type(), "metrics": actual},
    )
