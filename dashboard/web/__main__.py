"""`python -m dashboard.web`: the dashboard's process, which `leafgate dashboard` becomes."""

import sys

from dashboard.web.server import run
from leafgate.errors import UserError
from leafgate.proxies import keep_own_traffic_direct
from leafgate.settings import load_settings

if __name__ == "__main__":
    try:
        settings = load_settings()
        keep_own_traffic_direct(settings.host)
        run(settings)
    except UserError as error:
        sys.exit(f"error: {error.problem}\n  what to do: {error.fix}")
