"""`leafgate serve`: the API under uvicorn, in one process or several; stops in good order.

On SIGTERM or SIGINT `/ready` answers 503 at once, while requests are still taken for a moment and
each answer ends its connection; then the port is closed, what is running is answered, the request
log is written, and the process exits with 0. (uvicorn alone closes idle connections at once, under
the hands of clients about to use them, and ends by raising the signal again.)
"""

import asyncio
import gc
import logging
import socket
import time
from functools import partial
from types import FrameType
from typing import Any, cast

import uvicorn
from fastapi import FastAPI

from leafgate import __version__
from leafgate.ports import listen
from leafgate.settings import Settings
from leafgate.url_secrets import shown_url
from serving.addresses import TrustedProxies, parse_address
from serving.app import create_app
from serving.connections import ConnectionLimits, Connections, require_files
from serving.database import reached_database
from serving.http_protocol import BoundedHttpProtocol
from serving.json_logs import set_up_logging
from serving.metrics import Metrics
from serving.workers import run_workers

log = logging.getLogger(__name__)


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or Ctrl-C. Raises UserError without a secret, with the port taken, or
    with a database that never answered or is not at the current schema.
    """
    set_up_logging(settings)
    app = create_app(settings)  # complains before anything is started, whoever serves it
    require_files(settings.max_connections)
    listener = listen(settings.host, settings.api_port, "LEAFGATE_API_PORT")
    announce(settings)
    if settings.workers == 1:
        # Here, where what is wrong with it ends in two lines; uvicorn would show a stack.
        app.state.database = reached_database(settings)
        serve_app(app, settings, listener)
    else:
        run_workers(settings, listener)


def announce(settings: Settings) -> None:
    """One line that says what was configured; passwords are masked as in every line."""
    told = {
        "version": __version__,
        "address": settings.address(settings.api_port),
        "workers": settings.workers,
        "engine": settings.engine,
        "database": shown_url(settings.database),
        "redis": shown_url(settings.redis_url) or "none: limits are counted in memory",
        "limits": ", ".join(
            f"{name[:-6]} {value}" for name, value in settings if name.endswith("_limit")
        ),
    }
    words = "; ".join(f"{name} {value}" for name, value in told.items())
    log.info("LeafGate starts: %s", words, extra=told)


def serve_app(app: FastAPI, settings: Settings, listener: socket.socket) -> None:
    """Serve on the socket in this process until it is told to stop."""
    require_files(settings.max_connections)  # of this process; workers inherit no raised limit
    Server(server_config(app, settings), app, settings.shutdown_delay_seconds).run(
        sockets=[listener]
    )


def server_config(app: FastAPI, settings: Settings, **more: Any) -> uvicorn.Config:  # noqa: ANN401
    """How uvicorn serves the app: with our bounds on connections. more: as uvicorn has it."""
    metrics: Metrics = app.state.metrics
    proxies = TrustedProxies.read(settings.trusted_proxies)
    connections = Connections(
        ConnectionLimits.of(settings),
        metrics.connection_refused,
        is_proxy=lambda address: proxies.trusts(parse_address(address)),
    )
    metrics.watch("connections", lambda: len(connections))
    return uvicorn.Config(
        app,
        loop="uvloop",
        http=cast(type[asyncio.Protocol], partial(BoundedHttpProtocol, connections)),
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # serving.addresses reads them, from trusted proxies alone
        timeout_graceful_shutdown=round(settings.drain_seconds),
        **more,
    )


class Server(uvicorn.Server):
    """uvicorn's, but for how it stops, and what it does once the models are up."""

    def __init__(self, config: uvicorn.Config, app: FastAPI, delay_seconds: float) -> None:
        super().__init__(config)
        self._app = app
        self._delay_seconds = delay_seconds
        self._stop_at: float | None = None
        self._settled = False

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal: begin to stop; another one: do not wait for connections."""
        if self._stop_at is not None:
            self.force_exit = self.should_exit = True
            return
        self._app.state.shutdown.begin()
        self._stop_at = time.monotonic() + self._delay_seconds
        log.info("stopping: no longer ready, answering for another %s s", self._delay_seconds)

    async def on_tick(self, counter: int) -> bool:
        """Every 0.1 s: whether to leave the main loop."""
        if self._stop_at is not None and time.monotonic() >= self._stop_at:
            self.should_exit = True
        if not self._settled and self._app.state.leafgate.models.looked.is_set():
            self._settled = True
            gc.collect()
            gc.freeze()  # what lives as long as the process is not looked through again and again
        return await super().on_tick(counter)
