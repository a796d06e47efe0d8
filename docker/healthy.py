"""Health check of a container: exit 0 where the address answers 200 within 5 seconds."""

import sys
import urllib.error
import urllib.request

try:
    with urllib.request.urlopen(sys.argv[1], timeout=5):  # noqa: S310 - our own
        pass
except (urllib.error.URLError, OSError) as error:
    sys.exit(f"{sys.argv[1]}: {error}")
