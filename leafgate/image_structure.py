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
_PHOTOSHOP = 0xED  # the segment that its resources lie in
_GIF_IMAGE, _GIF_EXTENSION = 0x2C, 0x21
_GIF_BLOCKS_A_PIECE = 32
_TIFF_BYTES = (1, 2, 6, 7)  # types of an entry that stay bytes or text, and cost nothing a value
_TIFF_VALUES_A_PIECE = 8
_TIFF_TILE = (322, 323)  # tags: width and height
_TIFF_WHOLE = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 16: "Q", 17: "q"}
_TIFF_TAGS = 65_536
_BIG_ENTRY = 20


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


def tiff_tile(data: bytes) -> tuple[int, int]:
    """Width and height of the tiles of a TIFF's first directory; (0, 0) where it has none.

    The largest of those that it names, since decoders differ in which of two they believe.
    """
    sides = dict.fromkeys(_TIFF_TILE, 0)
    try:
        order, at, entry, entries = _tiff_directory(data)
        for number in range(min(entries, _TIFF_TAGS)):
            place = at + number * entry.size
            tag, kind, _ = entry.unpack_from(data, place)
            if tag in sides and kind in _TIFF_WHOLE:
                form = order + _TIFF_WHOLE[kind]
                value = entry.size - (8 if entry.size == _BIG_ENTRY else 4)
                sides[tag] = max(sides[tag], *struct.unpack_from(form, data, place + value))
    except struct.error:
        pass
    width, height = sides.values()
    return width, height


def _tiff_directory(data: bytes) -> tuple[str, int, struct.Struct, int]:
    """Byte order, where the first directory's entries begin, their form (tag, type, number of
    values), and how many there are. Raises struct.error for a damaged one.
    """
    order = "<" if data[:2] == b"II" else ">"
    big = data[2:4] in (b"\x2b\x00", b"\x00\x2b")
    place, offset, count = (8, "Q", "Q") if big else (4, "I", "H")
    (position,) = struct.unpack_from(order + offset, data, place)
    (entries,) = struct.unpack_from(order + count, data, position)
    entry = struct.Struct(order + ("HHQ8x" if big else "HHI4x"))
    return order, position + struct.calcsize(count), entry, entries


def pieces(data: bytes, most: int) -> int:
    """JPEG segments, PNG chunks, GIF blocks or entries of a TIFF, counted to `most` + 1.

    What lies within one counts too where it is read piece by piece: Photoshop's resources in a
    JPEG, blocks of a GIF's pixels (32 as one), numbers that an entry of a TIFF lists (8 as one).
    """
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
        length = 0 if alone else int.from_bytes(data[position : position + 2])
        if kind == _PHOTOSHOP:
            yield from range(data.count(b"8BIM", position, position + length))
        position += length


def _png_chunks(data: bytes) -> Iterator[int]:
    position = 8
    while position + 8 <= len(data):
        yield position
        position += 12 + int.from_bytes(data[position : position + 4])


def _gif_blocks(data: bytes) -> Iterator[int]:
    position, blocks = 13 + _colour_table(data, 10), 0
    while position < len(data) and (kind := data[position]) in (_GIF_IMAGE, _GIF_EXTENSION):
        if kind == _GIF_EXTENSION:
            yield position
        position += 2 if kind == _GIF_EXTENSION else 11 + _colour_table(data, position + 9)
        while position < len(data) and data[position]:
            blocks += 1
            if kind == _GIF_EXTENSION or blocks % _GIF_BLOCKS_A_PIECE == 0:
                yield position
            position += 1 + data[position]
        position += 1


def _tiff_entries(data: bytes) -> Iterator[int]:
    try:
        _, at, entry, entries = _tiff_directory(data)
        for number in range(entries):
            yield number
            _, kind, values = entry.unpack_from(data, at + number * entry.size)
            if kind not in _TIFF_BYTES:
                yield from range(min(values, len(data)) // _TIFF_VALUES_A_PIECE)
    except struct.error:
        return


_WALKS = {
    b"\xff\xd8": _jpeg_segments,
    b"\x89PNG": _png_chunks,
    b"GIF8": _gif_blocks,
    b"II": _tiff_entries,
    b"MM": _tiff_entries,
}
FRAME_COUNTERS = {"GIF": gif_frames, "TIFF": tiff_frames}
