"""`leafgate mlflow`: MLflow's own server over the configured store, behind a sign-in."""

import glob
import os
import platform
import shlex
import sys
import uuid
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from leafgate.errors import UserError
from leafgate.hosts import for_clients, in_url
from leafgate.ports import listen
from leafgate.settings import Settings
from registry.artifact_places import artifact_root
from registry.connection import mlflow_uri, open_mlflow, registry_errors
from registry.mlflow_auth import RequireToken
from registry.mlflow_token import mlflow_token, sign_in_link, token_file

STOP_SECONDS = 5


def serve_mlflow(settings: Settings, say: Callable[[str], None] | None = None) -> None:
    """Serve MLflow until SIGINT or SIGTERM, in one process.

    say: prints how to sign in; None: that is not printed. Raises UserError where the port is taken
    or the settings already point at a server.
    """
    if settings.tracking_uri.startswith("http"):
        raise UserError(
            f"LEAFGATE_MLFLOW_TRACKING_URI is a server already: {settings.mlflow_address}",
            "open that address in a browser",
        )
    listener = listen(settings.host, settings.mlflow_port, "LEAFGATE_MLFLOW_PORT")
    token = mlflow_token(settings)
    app = RequireToken(_mlflow_app(settings), token, settings.mlflow_port)
    if say:
        say(sign_in_help(settings))
    import uvicorn

    config = uvicorn.Config(
        app,
        host=settings.host,  # shown; the socket is bound already
        port=settings.mlflow_port,
        access_log=False,  # it would hold the token of the link
        http="h11",  # bounds the header lines of a request, 64 KiB, before anything reads them
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    server = uvicorn.Server(config)
    with suppress(KeyboardInterrupt):
        server.run(sockets=[listener])
    if not server.started:
        sys.exit(1)  # it has said why


def sign_in_help(settings: Settings) -> str:
    """How a browser and a program sign in."""
    return "\n".join(
        [
            f"MLflow, signed in: {sign_in_link(settings)}",
            "Programs sign in with two variables:",
            f"  export MLFLOW_TRACKING_URI={settings.mlflow_address}",
            f"  export MLFLOW_TRACKING_TOKEN=$(cat {shlex.quote(str(token_file(settings)))})",
        ]
    )


def _mlflow_app(settings: Settings) -> Any:  # noqa: ANN401 - MLflow's ASGI app
    """MLflow's app over the store, made in this process as `mlflow server` makes it in a child.

    In this process, since an address with a password, and the token, would else be passed on by
    arguments or variables that others can read.
    """
    os.environ["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"  # its jobs are of no use here
    os.environ["MLFLOW_SERVER_DISABLE_SECURITY_MIDDLEWARE"] = "false"
    os.environ.setdefault("MLFLOW_SERVER_ALLOWED_HOSTS", ",".join(allowed_hosts(settings)))
    open_mlflow(settings)  # makes the folder
    from mlflow.environment_variables import _MLFLOW_IN_JOB_EXECUTOR, _MLFLOW_SERVER_BOOT_ID
    from mlflow.server import constants

    store, artifacts = mlflow_uri(settings), artifact_root(settings)
    os.environ |= {
        constants.BACKEND_STORE_URI_ENV_VAR: store,
        constants.REGISTRY_STORE_URI_ENV_VAR: store,
        constants.ARTIFACT_ROOT_ENV_VAR: artifacts.as_uri(),
        constants.ARTIFACTS_DESTINATION_ENV_VAR: str(artifacts),
        constants.SERVE_ARTIFACTS_ENV_VAR: "true",
        _MLFLOW_IN_JOB_EXECUTOR.name: "false",  # with the next: runs no code from the store
        _MLFLOW_SERVER_BOOT_ID.name: uuid.uuid4().hex,
    }
    from mlflow.server.handlers import initialize_backend_stores

    with registry_errors(settings):
        initialize_backend_stores(store, store, artifacts.as_uri())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Starlette's, of what MLflow imports
        from mlflow.server.fastapi_app import app

    return app


def allowed_hosts(settings: Settings) -> list[str]:
    """The `Host` headers that are answered, as MLflow's --allowed-hosts takes them: one with a `*`
    is a pattern (of fnmatch), any other is compared.

    Only names of this machine, against DNS rebinding. Beyond loopback, MLflow's own private
    addresses too, since those are how others reach it.
    """
    names = ["localhost", "127.0.0.1", "[::1]", in_url(for_clients(settings.host))]
    further = [urlsplit(settings.mlflow_address).netloc]
    if not settings.is_loopback_only:
        from mlflow.server.security_utils import get_private_ip_patterns

        names += [in_url(settings.host), platform.node()]
        private = get_private_ip_patterns()
        further += [*private, *(f"[[]{each}" for each in private if ":" in each)]
    names = list(dict.fromkeys(filter(None, names)))
    return [*names, *(f"{glob.escape(name)}:*" for name in names), *further]
