"""`leafgate serve`: the API under uvicorn."""

import logging

import uvicorn

from leafgate.ports import listen
from leafgate.settings import Settings
from serving.app import create_app

DRAIN_SECONDS = 10


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or Ctrl-C. Raises UserError without a secret, or with the port taken."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s %(message)s", level="INFO")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    app = create_app(settings)
    listener = listen(settings.host, settings.api_port, "LEAFGATE_API_PORT")
    config = uvicorn.Config(
        app, log_config=None, access_log=False, timeout_graceful_shutdown=DRAIN_SECONDS
    )
    uvicorn.Server(config).run(sockets=[listener])
