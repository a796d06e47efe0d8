"""`python -m dashboard.web`: the dashboard's process, which `leafgate dashboard` becomes."""

import sys

from dashboard.web.server import run
from leafgate.errors import UserError
from leafgate.settings import load_settings

if __name__ == "__main__":
    try:
        run(load_settings())
    except UserError as error:
        sys.exit(str(error))
