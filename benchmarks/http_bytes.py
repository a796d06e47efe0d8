"""HTTP/1.1 as bytes: requests made beforehand, and a reader of answers that costs microseconds."""

from collections.abc import Mapping
from typing import NamedTuple

from leafgate.clients import LOAD, user_agent
from leafgate.strict_json import dump_json

BOUNDARY = "leafgate-benchmark"
NO_BODY = (204, 304)
END = b"\r\n\r\n"


class Answer(NamedTuple):
    """head: status line and fields, in lower case; keeps: whether the connection stays open."""

    status: int
    head: bytes
    body: bytes
    keeps: bool


class MalformedAnswer(Exception):
    """What came is not HTTP/1.1."""


def request(
    path: str, host: str, body: bytes, content_type: str, headers: Mapping[str, str] | None = None
) -> bytes:
    """A whole POST request."""
    fields = {
        "Host": host,
        "User-Agent": user_agent(LOAD),
        "Content-Type": content_type,
        "Content-Length": str(len(body)),
        **(headers or {}),
    }
    lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join(lines).encode() + END + body


def upload(
    path: str,
    host: str,
    field: str,
    image: bytes,
    headers: Mapping[str, str] | None = None,
) -> bytes:
    """A whole POST request with one JPEG in the multipart field `field`."""
    head = (
        f"--{BOUNDARY}\r\n"
        f'Content-Disposition: form-data; name="{field}"; filename="leaf.jpg"\r\n'
        "Content-Type: image/jpeg\r\n\r\n"
    )
    body = head.encode() + image + f"\r\n--{BOUNDARY}--\r\n".encode()
    return request(path, host, body, f"multipart/form-data; boundary={BOUNDARY}", headers)


def json_post(path: str, host: str, content: object) -> bytes:
    """A whole POST request with a JSON body."""
    return request(path, host, dump_json(content).encode(), "application/json")


class AnswerReader:
    """Puts one answer after the other together from the bytes of a connection."""

    def __init__(self) -> None:
        self._bytes = b""

    @property
    def begun(self) -> bool:
        """Whether part of an answer is there."""
        return bool(self._bytes)

    def feed(self, data: bytes, closed: bool = False) -> Answer | None:
        """The answer that `data` completes, if it does; closed: nothing comes after `data`.

        Raises MalformedAnswer.
        """
        self._bytes += data
        while True:
            end = self._bytes.find(END)
            if end < 0:
                return None
            head, start = self._bytes[:end].lower(), end + len(END)
            status = _status(head)
            if status < 200:  # 100 Continue and the like announce the answer
                self._bytes = self._bytes[start:]
                continue
            body, end = self._body(status, head, start, closed)
            if body is None:
                return None
            self._bytes = self._bytes[end:]
            keeps = not closed and b"\r\nconnection: close" not in head
            return Answer(status, head, body, keeps)

    def _body(self, status: int, head: bytes, start: int, closed: bool) -> tuple[bytes | None, int]:
        """The body from `start` and where it ends; None where it is not all there yet."""
        if status in NO_BODY:
            return b"", start
        length = _field(head, b"content-length")
        if length is not None:
            end = start + _number(length, 10)
            return (self._bytes[start:end] if len(self._bytes) >= end else None), end
        if _field(head, b"transfer-encoding") == b"chunked":
            return self._chunks(start)
        return (self._bytes[start:] if closed else None), len(self._bytes)

    def _chunks(self, at: int) -> tuple[bytes | None, int]:
        body = b""
        while (line := self._bytes.find(b"\r\n", at)) >= 0:
            size = _number(self._bytes[at:line].partition(b";")[0], 16)
            at = line + 2 + size + 2
            if size == 0:
                return self._trailers(body, line)
            if len(self._bytes) < at:
                break
            body += self._bytes[line + 2 : at - 2]
        return None, 0

    def _trailers(self, body: bytes, line: int) -> tuple[bytes | None, int]:
        """What may follow the last chunk, up to an empty line."""
        end = self._bytes.find(END, line)
        return (body, end + len(END)) if end >= 0 else (None, 0)


def _status(head: bytes) -> int:
    if not head.startswith(b"http/1."):
        raise MalformedAnswer(head[:80])
    return _number(head[9:12], 10)


def _field(head: bytes, name: bytes) -> bytes | None:
    at = head.find(b"\r\n" + name + b":")
    if at < 0:
        return None
    at += len(name) + 3
    end = head.find(b"\r\n", at)
    return head[at : end if end >= 0 else None].strip()


def _number(text: bytes, base: int) -> int:
    try:
        return int(text, base)
    except ValueError:
        raise MalformedAnswer(text[:80]) from None
