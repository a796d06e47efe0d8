"""Health check of a container: exit 0 where the address answers 200 within 5 seconds.

It is asked directly, whatever `http_proxy` says: the address is the container's own or the stack's.
"""

import sys
import urllib.error
import urllib.request

directly = urllib.request.build_opener(urllib.request.ProxyHandler({}))
try:
    with directly.open(sys.argv[1], timeout=5):
        pass
except (urllib.error.URLError, OSError) as error:
    sys.exit(f"{sys.argv[1]}: {error}")
