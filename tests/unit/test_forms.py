"""Fields of a form are UTF-8, however they are sent; other bytes are refused, not misread."""

import asyncio
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from starlette.datastructures import UploadFile

from serving.forms import BoundedRequest, FormLimits
from serving.refusals import CODES, BodyRefused

URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=b"
NAMES = ("jürgen", "straße", "ju\u0308rgen", "Zoë 🍂", "Nguyễn", "名前", "a+b c&d=e%", "ada")


def parsed(body: bytes, kind: str, files: int = 0, piece_bytes: int = 7) -> dict[str, Any]:
    """The fields of a form whose body comes in small pieces."""
    pieces = [body[at : at + piece_bytes] for at in range(0, len(body), piece_bytes)] or [b""]

    async def receive() -> dict[str, Any]:
        piece = pieces.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(pieces)}

    scope = {"type": "http", "method": "POST", "headers": [(b"content-type", kind.encode())]}
    form = asyncio.run(BoundedRequest(scope, receive, FormLimits(files, 6))._get_form())
    return dict(form)


def refused(body: bytes, kind: str) -> BodyRefused:
    with pytest.raises(BodyRefused) as raised:
        parsed(body, kind)
    assert CODES[raised.value.code].status == raised.value.status_code
    return raised.value


def raw(text: str, encoding: str = "utf-8") -> bytes:
    """As `curl -d` sends it: what the form itself uses is escaped, nothing else."""
    data = text.encode(encoding)
    return b"".join(
        b"%%%02X" % each if each in b"+&=%" else bytes([each]) for each in data
    ).replace(b" ", b"+")


def urlencoded(text: str) -> bytes:
    return b"username=" + raw(text)


def percent_encoded(text: str) -> bytes:
    return b"username=" + quote(text, safe="").encode()


def multipart(text: str, encoding: str = "utf-8", more: str = "") -> bytes:
    head = f'--b\r\nContent-Disposition: form-data; name="username"\r\n{more}\r\n'
    return head.encode() + text.encode(encoding) + b"\r\n--b--\r\n"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("charset", ["", "utf-8", '"UTF-8"', "iso-8859-1", "nonsense", ""])
@pytest.mark.parametrize(
    ("written", "kind"),
    [(urlencoded, URLENCODED), (percent_encoded, URLENCODED), (multipart, MULTIPART)],
)
def test_a_field_is_read_as_it_was_typed(
    written: Callable[[str], bytes], kind: str, charset: str, name: str
) -> None:
    whole = f"{kind}; charset={charset}" if charset else kind
    assert parsed(written(name), whole) == {"username": name}


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"username=j\xfcrgen", URLENCODED),
        (b"username=j%FCrgen", URLENCODED),
        (b"username=j%fcrgen", f"{URLENCODED}; charset=utf-8"),
        (b"username=%ED%A0%80", URLENCODED),  # a lone surrogate
        (b"username=%C0%AE", URLENCODED),  # more bytes than it takes
        (b"username=j\xfcrgen", f"{URLENCODED}; charset=utf-7"),
        (multipart("jürgen", "latin-1"), MULTIPART),
        (multipart("jürgen", "latin-1"), f"{MULTIPART}; charset=nonsense"),
        (multipart("jürgen", "utf-16"), f"{MULTIPART}; charset=utf-16"),
    ],
)
def test_other_bytes_are_refused_with_the_remedy(body: bytes, kind: str) -> None:
    refusal = refused(body, kind)
    assert (refusal.status_code, refusal.code) == (400, "not_utf8")
    assert "'username'" in refusal.detail
    assert "UTF-8" in refusal.fix
    assert "rgen" not in refusal.detail  # it may be a password


def test_an_encoding_of_western_europe_is_read_where_it_is_declared() -> None:
    for name in ("iso-8859-1", "ISO-8859-15", "windows-1252"):
        assert parsed(b"a=j\xfcrgen", f"{URLENCODED}; charset={name}") == {"a": "jürgen"}
        assert parsed(b"a=j%FCrgen", f"{URLENCODED}; charset={name}") == {"a": "jürgen"}
        whole = f"{MULTIPART}; charset={name}"
        assert parsed(multipart("jürgen", "latin-1"), whole) == {"username": "jürgen"}
        own = f"Content-Type: text/plain; charset={name}\r\n"
        assert parsed(multipart("jürgen", "latin-1", own), MULTIPART) == {"username": "jürgen"}


def test_a_file_keeps_its_bytes_and_a_name_of_any_encoding() -> None:
    head = 'Content-Disposition: form-data; name="file"; filename="bl\xfcte.jpg"'.encode("latin-1")
    body = b"--b\r\n" + head + b"\r\n\r\n\xff\xd8\xfc\r\n--b--"
    file = parsed(body, MULTIPART, files=1)["file"]
    assert isinstance(file, UploadFile)
    assert (file.filename, asyncio.run(file.read())) == ("blüte.jpg", b"\xff\xd8\xfc")


@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [
        (multipart("ada")[:-9], MULTIPART, "cut off"),
        (multipart("ada"), "multipart/form-data; boundary=c", "another boundary"),
        (multipart("ada"), "multipart/form-data", "names no boundary"),
        (b"--b\r\n\r\nx\r\n--b--\r\n", MULTIPART, "has no name"),
        (b"a=" + b"x" * 9000, URLENCODED, "more than 8,192 bytes"),
        (multipart("x" * 9000), MULTIPART, "more than 8,192 bytes"),
    ],
)
def test_a_form_that_is_none_is_refused_in_plain_words(body: bytes, kind: str, words: str) -> None:
    refusal = refused(body, kind)
    assert (refusal.status_code, refusal.code) == (400, "malformed_body")
    assert words in refusal.detail


def test_a_form_without_parts_has_none() -> None:
    for body in (b"", b"--b--", b"--b--\r\n"):
        assert parsed(body, MULTIPART) == {}
