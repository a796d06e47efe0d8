"""`leafgate dashboard`: Streamlit on the configured port, in this process's place."""

import os
import sys
from typing import Any

from dashboard.web.sessions import RESUME_SECONDS
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
    """Become the dashboard (this process is replaced). Raises UserError where the port is taken."""
    require_free_port(settings.host, settings.dashboard_port, "LEAFGATE_DASHBOARD_PORT")
    command = [sys.executable, "-m", "dashboard.web"]
    environment = {**os.environ, "LEAFGATE_VAR_DIR": str(settings.var_dir)}
    os.execve(sys.executable, command, environment)  # noqa: S606 - no shell


def options(settings: Settings) -> dict[str, Any]:
    """Streamlit's options: no browser of its own, no statistics, uploads bounded as in the API.

    Whatever the checks of `dashboard.web` rely on is named, so that no file of Streamlit's
    settings and no variable changes it.
    """
    return {
        "server.address": settings.host,
        "server.port": settings.dashboard_port,
        "server.headless": True,
        "server.fileWatcherType": "none",
        "server.maxUploadSize": max(settings.max_upload_bytes // 2**20, 1),
        "server.maxWidgetStateSize": 1,
        "server.baseUrlPath": "",
        "server.enableXsrfProtection": True,
        "server.enableCORS": True,
        "server.enableStaticServing": False,
        "server.scriptHealthCheckEnabled": False,
        "server.disconnectedSessionTTL": RESUME_SECONDS,
        "global.developmentMode": False,
        "browser.gatherUsageStats": False,
        # One run of a session at a time: else a run starts for a click while the one before still
        # waits for the API, and when that ends it resets what was clicked. Runs that wait for the
        # API end early instead: see `dashboard/waiting.py`.
        "runner.fastReruns": False,
        "client.showErrorDetails": "none",
        "client.toolbarMode": "minimal",
        "client.allowedOrigins": [],  # pages that may steer this one from around it
        # Streamlit complains of a field that has a default and is filled in by a button too.
        "global.disableWidgetStateDuplicationWarning": True,
        **THEME,
    }
