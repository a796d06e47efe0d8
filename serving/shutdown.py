"""Whether this process is on its way out: `/ready` says so, and connections are ended politely."""


class Shutdown:
    """Set once, by the server on SIGTERM or SIGINT; read at each request."""

    def __init__(self) -> None:
        self.under_way = False

    def begin(self) -> None:
        """From now on this process is not ready, and every answer ends its connection."""
        self.under_way = True
