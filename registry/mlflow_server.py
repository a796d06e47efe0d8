"""`leafgate mlflow`: MLflow's own server over the configured store."""

import os
import sys

from leafgate.errors import UserError
from leafgate.ports import require_free_port
from leafgate.settings import Settings
from registry.connection import open_mlflow


def serve_mlflow(settings: Settings) -> None:
    """Become MLflow's server (this process is replaced). Raises UserError where the port is taken
    or the settings already point at a server.
    """
    if settings.tracking_uri.startswith("http"):
        raise UserError(
            f"LEAFGATE_MLFLOW_TRACKING_URI is a server already: {settings.tracking_uri}",
            "open that address in a browser",
        )
    require_free_port(settings.host, settings.mlflow_port, "LEAFGATE_MLFLOW_PORT")
    open_mlflow(settings)  # makes the folder
    artifacts = (settings.var_dir / "mlflow" / "artifacts").as_uri()
    arguments = {
        "--backend-store-uri": settings.tracking_uri,
        "--default-artifact-root": artifacts,
        "--host": settings.host,
        "--port": str(settings.mlflow_port),
        "--workers": "1",
    }
    flat = [part for pair in arguments.items() for part in pair]
    os.execv(sys.executable, [sys.executable, "-m", "mlflow", "server", *flat])  # noqa: S606
