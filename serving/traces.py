"""OpenTelemetry traces, where an endpoint is set: FastAPI's own spans, exported by OTLP over HTTP.

FastAPI makes the server span (route, status, W3C `traceparent` honoured) and one for each of
dependencies, endpoint and serialisation. Here they get an exporter, the request's id and the model.
Without an endpoint the SDK is not imported and a request costs one look-up.
"""

import os
import time
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any

from fastapi.telemetry import TelemetryConfig
from opentelemetry.trace import Span, get_current_span

from leafgate import __version__
from leafgate.proxies import keep_own_traffic_direct
from leafgate.settings import Settings
from serving.facts import Facts

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

PROBES = frozenset(("/health", "/ready", "/metrics"))
TRACES_VARIABLE = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
ENDPOINT_VARIABLE = "OTEL_EXPORTER_OTLP_ENDPOINT"


def traces_url(settings: Settings) -> str:
    """Where spans go; empty where none are made. The variables are OpenTelemetry's own."""
    exact = os.environ.get(TRACES_VARIABLE, "")
    base = settings.otlp_endpoint or os.environ.get(ENDPOINT_VARIABLE, "")
    if exact and not settings.otlp_endpoint:
        return exact
    return f"{base.rstrip('/')}/v1/traces" if base else ""


class Traces:
    """What `FastAPI(telemetry=...)` wants for these settings; nothing global is used or set."""

    def __init__(self, settings: Settings) -> None:
        url = traces_url(settings)
        self._provider = _provider(url) if url else None
        self._tracer = self._provider.get_tracer("leafgate") if self._provider else None

    @property
    def telemetry(self) -> TelemetryConfig:
        """FastAPI makes the spans, and neither metrics nor logs."""
        told = TelemetryConfig(metrics=False, logs=False, auto_configure=False)
        if self._provider is None:
            return {**told, "tracing": False}
        return {**told, "tracer_provider": self._provider, "exclude": _is_probe}

    def stage(self, stage: str, seconds: float) -> None:
        """A child span of the request at work here, for a stage of it that has just ended."""
        if self._tracer is None or not get_current_span().is_recording():
            return
        ended = time.time_ns()
        started = ended - round(seconds * 1e9)
        self._tracer.start_span(f"leafgate.{stage}", start_time=started).end(ended)

    def close(self) -> None:
        """Export what is left; takes some seconds where the collector is away."""
        if self._provider is not None:
            self._provider.shutdown()


def _is_probe(scope: MutableMapping[str, Any]) -> bool:
    return scope.get("path") in PROBES


def _provider(url: str) -> "TracerProvider":
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    keep_own_traffic_direct()  # its exporter reads `no_proxy`
    service = os.environ.get("OTEL_SERVICE_NAME", "leafgate-api")
    about = {"service.name": service, "service.version": __version__}
    provider = TracerProvider(resource=Resource.create(about), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=url)))
    return provider


def name_request(span: Span, facts: Facts) -> None:
    """Put the request's id, refusal and model on its span, as its answer begins."""
    if not span.is_recording():
        return
    told = {
        "leafgate.request_id": facts.request_id,
        "leafgate.error_code": facts.error_code,
        "leafgate.model.name": facts.model_name,
        "leafgate.model.version": facts.model_version,
        "leafgate.images": facts.images or None,
    }
    span.set_attributes({name: value for name, value in told.items() if value is not None})
