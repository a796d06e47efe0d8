"""What the HTTP protocol refuses before there is a request: the bounds, and the answers.

Such an answer has no request id and no row in the log. It is counted by its code.
"""

from typing import NamedTuple

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from serving.problems import MEDIA_TYPE, problem_body
from serving.refusals import CODES
from serving.security_headers import SECURITY_HEADERS

MAX_URL_BYTES = 64 * 1024
MAX_HEADER_BYTES = 64 * 1024
MAX_HEADER_LINES = 100
RETRY_SECONDS = 5


class Refusal(NamedTuple):
    """code: of the problem; detail, fix: what the caller reads."""

    code: str
    detail: str
    fix: str

    def answer(self) -> bytes:
        """A whole answer that ends the connection. It has no request id: there is no row."""
        status = CODES[self.code].status
        body = problem_body(status, self.code, self.detail, self.fix, "")
        headers = [
            (b"content-type", MEDIA_TYPE.encode()),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
            *SECURITY_HEADERS,
        ]
        if status == 503:
            headers.append((b"retry-after", str(RETRY_SECONDS).encode()))
        lines = [STATUS_LINE[status], *(b"%b: %b\r\n" % header for header in headers), b"\r\n"]
        return b"".join([*lines, body])


BAD_REQUEST = Refusal("bad_request", "this is no HTTP/1.1 request", "correct it")
URL_TOO_LONG = Refusal(
    "url_too_long", f"the URL has more than {MAX_URL_BYTES:,} bytes", "send values in the body"
)
HEADERS_TOO_LARGE = Refusal(
    "headers_too_large",
    f"more than {MAX_HEADER_LINES} header lines, or {MAX_HEADER_BYTES:,} bytes of them",
    "send fewer and shorter ones",
)
HEAD_TIMEOUT = Refusal(
    "request_timeout", "the request's header lines did not come in time", "send them at once"
)
FRAMING_TOO_LARGE = Refusal(
    "bad_request", "the body comes in too many small chunks", "send larger chunks"
)
TOO_MANY_CONNECTIONS = Refusal(
    "too_many_connections",
    "too many connections are open",
    "use fewer connections, and one for several requests",
)
