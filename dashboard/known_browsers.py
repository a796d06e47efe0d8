"""What the API left with each browser that has signed in: its cookie for the next sign-in.

The API sees one client, the dashboard. So the dashboard keeps that cookie for each browser, under
the browser's own random cookie, and sends it with this browser's sign-ins only: then nobody else's
failures delay them. It is kept in memory; after a restart such browsers are like new ones.
"""

import threading
from collections import OrderedDict
from functools import lru_cache

MAX_KEPT = 10_000
MAX_BROWSER_CHARACTERS = 128


class KnownBrowsers:
    """By browser and user name; use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, str], str] = OrderedDict()

    def find(self, browser: str, name: str) -> str | None:
        """What the API left when this user signed in from this browser."""
        with self._lock:
            return self._kept.get((browser, name))

    def keep(self, browser: str, name: str, device: str | None) -> None:
        """Keep it; beyond `MAX_KEPT` the oldest goes."""
        if not device or not 0 < len(browser) <= MAX_BROWSER_CHARACTERS:
            return
        with self._lock:
            self._kept[browser, name] = device
            self._kept.move_to_end((browser, name))
            if len(self._kept) > MAX_KEPT:
                self._kept.popitem(last=False)


@lru_cache(maxsize=1)
def known_browsers() -> KnownBrowsers:
    """Those of this process."""
    return KnownBrowsers()
