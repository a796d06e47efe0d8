"""`leafgate dashboard`: Streamlit on the configured port, in this process's place."""

import os
import sys
from pathlib import Path

from leafgate.ports import require_free_port
from leafgate.settings import Settings


def serve(settings: Settings) -> None:
    """Become Streamlit (this process is replaced). Raises UserError where the port is taken."""
    require_free_port(settings.host, settings.dashboard_port, "LEAFGATE_DASHBOARD_PORT")
    script = Path(__file__).with_name("app.py")
    command = [sys.executable, "-m", "streamlit", "run", str(script), *options(settings)]
    environment = {**os.environ, "LEAFGATE_VAR_DIR": str(settings.var_dir)}
    os.execve(sys.executable, command, environment)  # noqa: S606 - no shell


def options(settings: Settings) -> list[str]:
    """Streamlit's options: no browser of its own, no statistics, uploads bounded as in the API."""
    megabytes = max(settings.max_upload_bytes // 2**20, 1)
    values = {
        "server.address": settings.host,
        "server.port": settings.dashboard_port,
        "server.headless": "true",
        "server.fileWatcherType": "none",
        "server.maxUploadSize": megabytes,
        "browser.gatherUsageStats": "false",
        "client.toolbarMode": "minimal",
        "theme.primaryColor": "#00694d",
    }
    return [f"--{name}={value}" for name, value in values.items()]
