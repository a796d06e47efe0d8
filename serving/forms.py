"""Forms with no more parts than an endpoint needs, held in memory and parsed in small pieces.

Starlette's parser takes a thousand parts by default, and writes files of more than a megabyte to
the system's temporary folder: full, it would make every upload fail. Here a body stays in memory,
whose total `body_limit.py` bounds.

Fields are UTF-8, as the URL Standard and RFC 7578 have it. Starlette takes raw bytes for Latin-1,
and puts a replacement character for each that is not UTF-8: then a right password would count as a
wrong one.
"""

import asyncio
import codecs
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes

from fastapi.dependencies.models import Dependant
from fastapi.params import File
from python_multipart.multipart import parse_options_header
from starlette.datastructures import FormData
from starlette.formparsers import FormParser, MultiPartException, MultiPartParser
from starlette.requests import Request
from starlette.types import Receive, Scope

from serving.refusals import BodyRefused

SPARE_FIELDS = 4  # that clients send besides what is asked for
MAX_FIELD_BYTES = 8 * 1024
PIECE_BYTES = 16 * 1024  # parsed at a time
PIECES_A_TURN = 4  # before others have theirs
FREE_BYTES, FREE_BYTES_OF_PART = 8 * 1024, 1024  # boundaries, blanks, what is before and behind
SHOWN_CHARACTERS = 80  # of a field's name in a message
FREE_BOUNDARIES = 16  # that stand in a file by chance
IN_MEMORY = 2**40
# Other encodings that a field may be in where the Content-Type says so and it is not UTF-8.
DECLARED = frozenset(("iso8859-1", "iso8859-15", "cp1252"))


@dataclass(frozen=True)
class FormLimits:
    """How many parts a form may have."""

    max_files: int = 0
    max_fields: int = SPARE_FIELDS

    @staticmethod
    def of(dependant: Dependant) -> "FormLimits":
        """What an endpoint and its dependencies ask for: `maxItems` of a list of files, else one a
        parameter.
        """
        files = fields = 0
        for needed in _all_of(dependant):
            for param in needed.body_params:
                info = param.field_info
                if isinstance(info, File):
                    extra: Any = info.json_schema_extra or {}
                    files += int(extra.get("maxItems", 1))
                else:
                    fields += 1
        return FormLimits(files, fields + SPARE_FIELDS)

    @property
    def max_boundaries(self) -> int:
        """How often the boundary may occur: more often than parts end, something is wrong."""
        return self.max_files + self.max_fields + FREE_BOUNDARIES

    def too_many_files(self) -> BodyRefused:
        """The refusal of one more."""
        if self.max_files > 1:
            detail = f"more than {self.max_files} images in one request"
            return BodyRefused(422, "too_many_images", detail, f"send at most {self.max_files}")
        most = "1 file" if self.max_files else "no file"
        return _too_many(f"the form may have {most}")

    def too_many_parts(self) -> BodyRefused:
        """The refusal of far more parts, whatever they are."""
        return self.too_many_files() if self.max_files > 1 else self.too_many_fields()

    def too_many_fields(self) -> BodyRefused:
        """The refusal of one more."""
        return _too_many(f"the form has more than {self.max_fields} fields")


def _too_many(detail: str) -> BodyRefused:
    return BodyRefused(422, "too_many_parts", detail, "send only what /docs names")


def _text(field: bytes | bytearray, name: str, charset: bytes | None) -> str:
    """A field as text. charset: as the Content-Type names it. Raises BodyRefused `not_utf8`."""
    try:
        return field.decode()
    except UnicodeDecodeError:
        declared = _codec(charset)
        if declared is not None:
            with suppress(UnicodeDecodeError):
                return field.decode(declared)
    raise BodyRefused(
        400,
        "not_utf8",
        f"the field '{name[:SHOWN_CHARACTERS]}' of the form is not UTF-8",
        "send the form in UTF-8; curl sends what the terminal or file holds",
    )


def _codec(charset: bytes | None) -> str | None:
    """Python's name of an encoding of `DECLARED`; None for any other."""
    try:
        name = codecs.lookup(charset.decode("ascii")).name if charset else None
    except (LookupError, ValueError):
        return None
    return name if name in DECLARED else None


def _all_of(dependant: Dependant) -> list[Dependant]:
    return [dependant, *(each for below in dependant.dependencies for each in _all_of(below))]


class _Multipart(MultiPartParser):
    """Starlette's, in memory, and refusing what would take it long.

    It goes byte by byte through blanks behind a boundary, and slowly through a part in which the
    boundary occurs again and again: neither is in what a client sends.
    """

    spool_max_size = IN_MEMORY

    def __init__(self, request: Request, stream: AsyncGenerator[bytes], limits: FormLimits) -> None:
        super().__init__(
            request.headers,
            self._counted(stream),
            max_files=limits.max_files,
            max_fields=limits.max_fields,
            max_part_size=MAX_FIELD_BYTES,
        )
        self._limits = limits
        self._fed_bytes = self._used_bytes = self._parts = self._boundaries = 0
        _, options = parse_options_header(request.headers["Content-Type"])
        self._boundary = b"\r\n--" + options.get(b"boundary", b"")
        self._declared = options.get(b"charset")
        self._has_ended = False

    async def _counted(self, stream: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
        async with aclosing(stream):
            async for piece in stream:
                self._fed_bytes += len(piece)
                self._boundaries += piece.count(self._boundary)
                if self._boundaries > self._limits.max_boundaries:
                    raise self._limits.too_many_parts()
                yield piece
                unused = self._fed_bytes - self._used_bytes
                if unused > FREE_BYTES + self._parts * FREE_BYTES_OF_PART:
                    raise MultiPartException("Too much that belongs to no part.")

    def on_part_begin(self) -> None:
        super().on_part_begin()
        self._parts += 1

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        self._used_bytes += end - start
        super().on_part_data(data, start, end)

    def on_part_end(self) -> None:
        part = self._current_part
        if part.file is None:
            own = parse_options_header(dict(part.item_headers).get(b"content-type"))[1]
            declared = own.get(b"charset", self._declared)
            self.items.append((part.field_name, _text(part.data, part.field_name, declared)))
        else:
            super().on_part_end()

    def on_end(self) -> None:
        self._has_ended = True

    async def parse(self) -> FormData:
        """The form. Raises MultiPartException, also where its end has not come."""
        form = await super().parse()
        if self._fed_bytes and not self._has_ended:
            await form.close()
            raise MultiPartException(CUT_OFF)
        return form

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._used_bytes += end - start
        super().on_header_field(data, start, end)

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._used_bytes += end - start
        super().on_header_value(data, start, end)

    def on_headers_finished(self) -> None:
        self._charset = "utf-8"  # of names; those that are not UTF-8 are taken for Latin-1
        try:
            super().on_headers_finished()
        except MultiPartException:
            if self._current_files > self.max_files:
                raise self._limits.too_many_files() from None
            if self._current_fields > self.max_fields:
                raise self._limits.too_many_fields() from None
            raise


class _Urlencoded(FormParser):
    def __init__(self, request: Request, stream: AsyncGenerator[bytes], limits: FormLimits) -> None:
        super().__init__(
            request.headers, stream, max_fields=limits.max_fields, max_part_size=MAX_FIELD_BYTES
        )
        self._limits = limits
        _, options = parse_options_header(request.headers["Content-Type"])
        self._declared = options.get(b"charset")

    def on_field_end(self) -> None:
        self._current_fields += 1
        if self._current_fields > self.max_fields:
            raise self._limits.too_many_fields()
        name, value = (
            unquote_to_bytes(bytes(part).replace(b"+", b" "))
            for part in (self._field_name, self._field_value)
        )
        shown = name.decode("utf-8", "replace")
        self._items.append((shown, _text(value, shown, self._declared)))


CUT_OFF = "cut off"
AS_CURL = "have the form written by an HTTP library, or by curl: `-F file=@leaf.jpg`"
LONG_FIELD = f"a field of the form has more than {MAX_FIELD_BYTES:,} bytes", "send a shorter one"
MALFORMED = {
    "Missing boundary": (
        "the Content-Type names no boundary, so the form's parts cannot be told apart",
        "leave the Content-Type to the HTTP library, or to curl: `-F file=@leaf.jpg`",
    ),
    "Invalid multipart": (
        "the body is not the form that its Content-Type names: another boundary, or damaged",
        AS_CURL,
    ),
    CUT_OFF: ("the form is cut off: its last boundary did not come", "send all of it"),
    "The Content-Disposition": ("a part of the form has no name", AS_CURL),
    "Too much that": ("the form has too much before, between or behind its parts", AS_CURL),
    "Part exceeded": LONG_FIELD,
    "Field exceeded": LONG_FIELD,
}
PARSERS: dict[bytes, type[_Multipart] | type[_Urlencoded]] = {
    b"multipart/form-data": _Multipart,
    b"application/x-www-form-urlencoded": _Urlencoded,
}


class BoundedRequest(Request):
    """A request whose form has its endpoint's limits, whatever FastAPI asks for."""

    def __init__(self, scope: Scope, receive: Receive, limits: FormLimits) -> None:
        super().__init__(scope, receive)
        self._limits = limits

    async def _get_form(self, **_: Any) -> FormData:  # noqa: ANN401 - Starlette's own limits
        if self._form is None:
            kind, _options = parse_options_header(self.headers.get("Content-Type"))
            self._form = await self._parsed(kind) if kind in PARSERS else FormData()
        return self._form

    async def _parsed(self, kind: bytes) -> FormData:
        async with aclosing(_pieces(self.stream())) as stream:
            try:
                return await PARSERS[kind](self, stream, self._limits).parse()
            except MultiPartException as error:
                raise _malformed(error.message) from None


def _malformed(reason: str) -> BodyRefused:
    """The refusal of a body that is no form, in our words for those of the parsers."""
    detail, fix = next(
        (told for start, told in MALFORMED.items() if reason.startswith(start)), (reason, AS_CURL)
    )
    return BodyRefused(400, "malformed_body", detail, fix)


async def _pieces(stream: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    """The same bytes in pieces of one size, however they came, and turns for others between."""
    waiting, yielded = bytearray(), 0
    async with aclosing(stream):
        async for chunk in stream:
            waiting += chunk
            while len(waiting) >= PIECE_BYTES:
                yield bytes(waiting[:PIECE_BYTES])
                del waiting[:PIECE_BYTES]
                yielded += 1
                if yielded % PIECES_A_TURN == 0:
                    await asyncio.sleep(0)
    if waiting:
        yield bytes(waiting)
