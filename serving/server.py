"""`leafgate serve`: the API under uvicorn."""

import logging
import socket

import uvicorn

from leafgate.errors import UserError
from leafgate.settings import Settings
from serving.app import create_app

DRAIN_SECONDS = 10


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or Ctrl-C. Raises UserError without a secret or where the port is taken."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s %(message)s", level="INFO")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    app = create_app(settings)
    listener = listen(settings.host, settings.api_port, "LEAFGATE_API_PORT")
    config = uvicorn.Config(
        app, log_config=None, access_log=False, timeout_graceful_shutdown=DRAIN_SECONDS
    )
    uvicorn.Server(config).run(sockets=[listener])


def listen(host: str, port: int, setting: str) -> socket.socket:
    """A bound socket. Raises UserError where something else has the port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise UserError(
            f"cannot listen on {host}:{port} ({error.strerror})",
            f"stop what uses the port, or choose another with {setting}",
            code="port_in_use",
        ) from error
    return listener
