"""Streamlit under uvicorn, behind the checks of this package."""

import asyncio
import resource
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import streamlit as st
import uvicorn
from starlette.middleware import Middleware
from starlette.types import ASGIApp
from streamlit import runtime
from streamlit.web import bootstrap

from dashboard.server import options
from dashboard.web.connections import MAX_HEAD_BYTES, protocol
from dashboard.web.gate import Gate
from dashboard.web.headers import SecurityHeaders
from dashboard.web.sessions import sessions
from dashboard.web.sockets import Sockets
from leafgate.ports import listen
from leafgate.settings import Settings

SCRIPT = Path(__file__).parent.parent / "entry" / "script.py"
MAX_MESSAGE_BYTES = 2**20  # from a browser
SWEEP_SECONDS = 15.0
PING_SECONDS = 30.0
FILES_KEPT_FREE = 256
STOP_SECONDS = 5  # for what is under way when it stops


def run(settings: Settings) -> None:
    """Serve until SIGTERM or Ctrl-C. Raises UserError where the port is taken."""
    bootstrap.load_config_options(options(settings))
    _allow_files(2 * settings.max_connections + FILES_KEPT_FREE)
    listener = listen(settings.host, settings.dashboard_port, "LEAFGATE_DASHBOARD_PORT")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # raised once more when all is stopped
    sys.stdout.write(f"The dashboard is at {settings.address(settings.dashboard_port)}\n")
    sys.stdout.flush()
    with suppress(KeyboardInterrupt):
        uvicorn.Server(_config(create_app(settings), settings)).run(sockets=[listener])


def _allow_files(number: int) -> None:
    """Let this process open so many, as far as the system allows: a file for each connection."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = number if hard == resource.RLIM_INFINITY else min(number, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def create_app(settings: Settings) -> ASGIApp:
    """Streamlit behind the checks, as an ASGI application."""
    of_session, of_all = settings.dashboard_session_upload_mb, settings.dashboard_upload_mb
    app: ASGIApp = st.App(
        SCRIPT,
        lifespan=_lifespan,
        middleware=[
            Middleware(SecurityHeaders),
            Middleware(
                Gate,
                sessions=sessions(),
                max_file_bytes=settings.max_upload_bytes,
                session_bytes=of_session * 2**20,
                all_bytes=of_all * 2**20,
            ),
            Middleware(Sockets, sessions=sessions()),
        ],
    )
    return app


@asynccontextmanager
async def _lifespan(app: Any) -> AsyncIterator[None]:  # noqa: ANN401 - Streamlit's
    sweeper = asyncio.create_task(_sweep())
    try:
        yield
    finally:
        sweeper.cancel()


async def _sweep() -> None:
    """Let go of the files of sessions that have ended, or are no longer signed in."""
    while True:
        await asyncio.sleep(SWEEP_SECONDS)
        for session_id in sessions().forget():
            runtime.get_instance().uploaded_file_mgr.remove_session_files(session_id)


def _config(app: ASGIApp, settings: Settings) -> uvicorn.Config:
    proxies = settings.trusted_proxies
    return uvicorn.Config(
        app,
        http=protocol(settings),
        h11_max_incomplete_event_size=MAX_HEAD_BYTES,
        ws="websockets-sansio",
        ws_max_size=MAX_MESSAGE_BYTES,
        ws_ping_interval=PING_SECONDS,
        ws_ping_timeout=PING_SECONDS,
        ws_per_message_deflate=False,
        proxy_headers=bool(proxies),
        forwarded_allow_ips=proxies,
        access_log=False,
        server_header=False,
        log_level="warning",
        timeout_graceful_shutdown=STOP_SECONDS,
    )
