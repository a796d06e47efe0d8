"""Files as PyTorch wrote them before its version 1.6, and broken ones: their pickles by hand."""

import struct
from collections.abc import Mapping, Sequence

import numpy as np

HEAD = (0x1950A86A20F9469CFC6C, 1001)


def number(value: int) -> bytes:
    data = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(data)]) + data


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def several(*values: bytes) -> bytes:
    """A tuple."""
    return b"(" + b"".join(values) + b"t"


def named(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


def storage(name: str, values: int, kind: str = "FloatStorage", view: bytes = b"N") -> bytes:
    kept = named("torch", kind)
    return several(text("storage"), kept, text(name), text("cpu"), number(values), view) + b"Q"


def tensor(stored: bytes, offset: int, shape: Sequence[int], strides: Sequence[int]) -> bytes:
    sizes, steps = several(*map(number, shape)), several(*map(number, strides))
    hooks = named("collections", "OrderedDict") + b")R"
    given = several(stored, number(offset), sizes, steps, b"\x89", hooks)
    return named("torch._utils", "_rebuild_tensor_v2") + given + b"R"


def dictionary(items: Mapping[str, bytes]) -> bytes:
    filled = b"".join(text(name) + value for name, value in items.items())
    return named("collections", "OrderedDict") + b")R(" + filled + b"u"


def pickled(body: bytes) -> bytes:
    return b"\x80\x02" + body + b"."


def names(stored: Sequence[str]) -> bytes:
    return pickled(b"](" + b"".join(map(text, stored)) + b"e")


def head(little_endian: bytes = b"\x88") -> bytes:
    """Magic number, protocol and machine."""
    machine = b"}(" + text("little_endian") + little_endian + b"u"
    return b"".join(pickled(body) for body in (*map(number, HEAD), machine))


def torch_file(tensors: Mapping[str, bytes], storages: Mapping[str, np.ndarray]) -> bytes:
    """The whole file."""
    data = b"".join(struct.pack("<q", len(each)) + each.tobytes() for each in storages.values())
    return head() + pickled(dictionary(tensors)) + names(list(storages)) + data
