"""What an image file's structure would cost to read, counted without decoding a pixel.

Headers bound the pixels of one pass; a progressive JPEG asks for a pass a scan (a file of 10 MB can
hold a hundred thousand), an animation has frames, TIFF has chains of directories, and metadata can
come in a million pieces, which Pillow joins one by one.
"""

import re
import struct
from collections.abc import Iterator
from itertools import islice

# Where entropy-coded data ends: a marker that is neither stuffing, restart nor fill. Only its
# own byte is looked for: with `\xff+` a run of fill bytes would be tried from each of its places.
_MARKER = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])", re.DOTALL)
_START_OF_SCAN, _END_OF_IMAGE, _START_OF_IMAGE, _TEMPORARY = 0xDA, 0xD9, 0xD8, 0x01
_GIF_IMAGE, _GIF_EXTENSION = 0x2C, 0x21


def jpeg_scans(data: bytes, few: int, most: int) -> int:
    """Scans of a JPEG up to its end, counted to `most` + 1; up to `few` they are only estimated.

    What follows the end (a phone's video) or lies in a segment (a thumbnail) does not count.
    """
    starts = data.count(b"\xff\xda")  # at memory speed, and enough for nearly all
    if starts <= few:
        return starts
    scans, position = 0, 2
    while scans <= most and (marker := _MARKER.search(data, position)):
        kind, position = marker[1][0], marker.end()
        if kind == _END_OF_IMAGE:
            break
        if kind not in (_START_OF_IMAGE, _TEMPORARY):  # all others say how long they are
            position += int.from_bytes(data[position : position + 2])
        scans += kind == _START_OF_SCAN
    return scans


def gif_frames(data: bytes, most: int) -> int:
    """Pictures in a GIF, counted to `most` + 1; a damaged end ends the count."""
    frames, position = 0, 13 + _colour_table(data, 10)
    while frames <= most and position < len(data):
        kind = data[position]
        if kind == _GIF_IMAGE:
            frames += 1
            position += 11 + _colour_table(data, position + 9)
        elif kind == _GIF_EXTENSION:
            position += 2
        else:
            break
        position = _after_blocks(data, position)
    return frames


def _colour_table(data: bytes, at: int) -> int:
    """Bytes of the table that the flags at `at` announce."""
    flags = data[at] if at < len(data) else 0
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _after_blocks(data: bytes, position: int) -> int:
    while position < len(data) and data[position]:
        position += 1 + data[position]
    return position + 1


def tiff_frames(data: bytes, most: int) -> int:
    """Directories of a TIFF or BigTIFF, counted to `most` + 1; a damaged chain ends the count."""
    order = "<" if data[:2] == b"II" else ">"
    big = data[2:4] in (b"\x2b\x00", b"\x00\x2b")
    count, entry, offset = ("Q", 20, "Q") if big else ("H", 12, "I")
    frames, place = 0, 8 if big else 4
    try:
        (position,) = struct.unpack_from(order + offset, data, place)
        while position and frames <= most:
            (entries,) = struct.unpack_from(order + count, data, position)
            frames += 1
            after = position + struct.calcsize(count) + entries * entry
            (position,) = struct.unpack_from(order + offset, data, after)
    except struct.error:
        pass
    return frames


def pieces(data: bytes, most: int) -> int:
    """JPEG segments, PNG chunks, GIF extensions or entries of a TIFF, counted to `most` + 1."""
    count = 0
    for _ in islice(_pieces(data), most + 1):
        count += 1
    return count


def _pieces(data: bytes) -> Iterator[int]:
    """Where each piece begins, as far as the file is sound; none for other formats."""
    for magic, walk in _WALKS.items():
        if data.startswith(magic):
            return walk(data)
    return iter(())


def _jpeg_segments(data: bytes) -> Iterator[int]:
    position = 2
    while data[position : position + 1] == b"\xff" and position + 4 <= len(data):
        kind = data[position + 1]
        if kind in (_START_OF_SCAN, _END_OF_IMAGE):
            return
        yield position
        alone = kind in (0xFF, _START_OF_IMAGE, _TEMPORARY)  # fill, or a marker without a length
        position += 1 if kind == 0xFF else 2
        position += 0 if alone else int.from_bytes(data[position : position + 2])


def _png_chunks(data: bytes) -> Iterator[int]:
    position = 8
    while position + 8 <= len(data):
        yield position
        position += 12 + int.from_bytes(data[position : position + 4])


def _gif_extensions(data: bytes) -> Iterator[int]:
    position = 13 + _colour_table(data, 10)
    while data[position : position + 1] == b"\x21":
        yield position
        position += 2
        while position < len(data) and data[position]:
            yield position
            position += 1 + data[position]
        position += 1


def _tiff_entries(data: bytes) -> Iterator[int]:
    order = "<" if data[:2] == b"II" else ">"
    big = data[2:4] in (b"\x2b\x00", b"\x00\x2b")
    place, offset, count = (8, "Q", "Q") if big else (4, "I", "H")
    try:
        (position,) = struct.unpack_from(order + offset, data, place)
        (entries,) = struct.unpack_from(order + count, data, position)
    except struct.error:
        return
    yield from range(min(entries, len(data)))


_WALKS = {
    b"\xff\xd8": _jpeg_segments,
    b"\x89PNG": _png_chunks,
    b"GIF8": _gif_extensions,
    b"II": _tiff_entries,
    b"MM": _tiff_entries,
}
FRAME_COUNTERS = {"GIF": gif_frames, "TIFF": tiff_frames}
