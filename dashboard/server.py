"""`leafgate dashboard`: Streamlit on the configured port, in this process's place."""

import os
import sys
from pathlib import Path

from leafgate.ports import require_free_port
from leafgate.settings import Settings

# Both themes, so that the browser's choice decides. Captions are the text at 60 %, which has to
# stand out from the page by 4.5 to 1 (WCAG 2.2, 1.4.3).
THEME = {
    "theme.light.primaryColor": "#00694d",
    "theme.light.textColor": "#0f1210",
    "theme.dark.primaryColor": "#3fb68f",
    "theme.dark.textColor": "#fafaf8",
    "theme.dark.linkColor": "#5fd3ac",
    "theme.light.linkColor": "#00694d",
    "theme.headingFontSizes": "2.25rem,1.5rem,1.2rem,1.1rem,1rem,1rem",
}


def serve(settings: Settings) -> None:
    """Become Streamlit (this process is replaced). Raises UserError where the port is taken."""
    require_free_port(settings.host, settings.dashboard_port, "LEAFGATE_DASHBOARD_PORT")
    script = Path(__file__).parent / "entry" / "script.py"
    command = [sys.executable, "-m", "streamlit", "run", str(script), *options(settings)]
    environment = {
        **os.environ,
        "LEAFGATE_VAR_DIR": str(settings.var_dir),
        # What uvicorn, which serves Streamlit, believes; unset, that would be all of this machine.
        "FORWARDED_ALLOW_IPS": settings.trusted_proxies,
    }
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
        # Streamlit complains of a field that has a default and is filled in by a button too.
        "global.disableWidgetStateDuplicationWarning": "true",
        **THEME,
    }
    return [f"--{name}={value}" for name, value in values.items()]
