"""Tensors out of a file that PyTorch wrote before its version 1.6, read without PyTorch.

The file is five pickles (magic number, protocol, machine, the tensors' descriptions, the names of
the storages), then of each storage the number of its values (int64) and the values. A tensor is an
offset, a shape and strides in one storage.

A pickle is a program, and running one can run any code. None is run here: the few instructions that
such a file needs are carried out on plain values, and any other is refused.
"""

import io
import math
import pickletools
import struct
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from leafgate.errors import UserError

MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
COUNT = struct.Struct("<q")  # before each storage
DICTIONARY, TENSOR = object(), object()  # what a pickle may call
NAMED: dict[str, object] = {
    "collections OrderedDict": DICTIONARY,
    "torch._utils _rebuild_tensor_v2": TENSOR,
    "torch FloatStorage": np.dtype("<f4"),
    "torch LongStorage": np.dtype("<i8"),
}
CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}


class Storage(NamedTuple):
    """Where values lie: the storage's name, their type and number."""

    name: str
    kind: np.dtype[Any]
    values: int


class Tensor(NamedTuple):
    """A view of a storage. offset and strides count values, not bytes."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read_tensors(file: Path) -> dict[str, NDArray[Any]]:
    """Every tensor by name, in memory of its own.

    Raises UserError where the file is cut off, or is none of this format.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        raise UserError(
            f"{file} cannot be read ({error.strerror})", "check the path and its rights"
        ) from error
    try:
        return _read(io.BytesIO(content))
    except Exception as error:  # what is made up fails anywhere, in nearly any way
        raise UserError(
            f"{file} holds no tensors as PyTorch wrote them before 1.6 ({_words(error)})",
            "install the package that it came with once more",
            code="damaged_weights",
        ) from error


def _read(stream: io.BytesIO) -> dict[str, NDArray[Any]]:
    magic, protocol, machine, described, names = (_load(stream) for _ in range(5))
    if magic != MAGIC or protocol != PROTOCOL or machine["little_endian"] is not True:
        raise ValueError("its first values are others")
    if not all(isinstance(each, Tensor) for each in described.values()):
        raise ValueError("it holds other things than tensors")
    if not all(isinstance(name, str) for name in names):
        raise ValueError("a storage's name is no text")
    stored: dict[str, Storage] = {}
    for each in described.values():
        if stored.setdefault(each.storage.name, each.storage) != each.storage:
            raise ValueError(f"storage {each.storage.name} is described in two ways")
    if len(names) != len(stored) or set(names) != set(stored):
        raise ValueError("the storages are not those of the tensors")
    values = {name: _values(stream, stored[name]) for name in names}
    if stream.read(1):
        raise ValueError("it goes on after the last storage")
    return {name: _array(each, values[each.storage.name]) for name, each in described.items()}


def _values(stream: io.BytesIO, storage: Storage) -> NDArray[Any]:
    """The values of the storage that comes next."""
    (number,) = COUNT.unpack(stream.read(COUNT.size))
    if number != storage.values:
        raise ValueError(f"storage {storage.name} has {number} values, not {storage.values}")
    data = stream.read(number * storage.kind.itemsize)
    if len(data) < number * storage.kind.itemsize:
        raise ValueError("it is cut off")
    return np.frombuffer(data, storage.kind)


def _array(each: Tensor, values: NDArray[Any]) -> NDArray[Any]:
    """A copy of what the tensor shows of its storage's values."""
    last = each.offset + sum((n - 1) * s for n, s in zip(each.shape, each.strides, strict=True))
    smallest = min((each.offset, *each.strides, *(n - 1 for n in each.shape)))
    if smallest < 0 or last >= len(values) or math.prod(each.shape) > len(values):
        raise ValueError("a tensor reaches beyond its storage")
    strides = tuple(step * values.itemsize for step in each.strides)
    held = values[each.offset :]
    return np.array(np.lib.stride_tricks.as_strided(held, each.shape, strides, writeable=False))


def _load(stream: io.BytesIO) -> Any:  # noqa: ANN401 - what the next pickle describes
    """Keys are text, and what is described is never hashed, compared or shown: it may be nested
    without end. Raises whatever comes of a pickle that is wrong.
    """
    stack: list[Any] = []
    marks: list[int] = []
    numbered: dict[int, Any] = {}
    value: Any
    for instruction, value, _ in pickletools.genops(stream):
        match instruction.name:
            case "PROTO" | "STOP":
                pass
            case "BININT" | "BININT1" | "BININT2" | "LONG1" | "BINUNICODE":
                stack.append(value)
            case "NONE" | "NEWTRUE" | "NEWFALSE" | "EMPTY_TUPLE" as name:
                stack.append(CONSTANTS[name])
            case "EMPTY_DICT":
                stack.append({})
            case "EMPTY_LIST":
                stack.append([])
            case "BINPUT" | "LONG_BINPUT":
                numbered[value] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(numbered[value])
            case "GLOBAL":
                stack.append(_named(value))
            case "MARK":
                marks.append(len(stack))
            case "TUPLE":
                stack.append(tuple(_take(stack, marks.pop())))
            case "TUPLE1" | "TUPLE2" | "TUPLE3" as name:
                stack.append(tuple(_take(stack, len(stack) - int(name[-1]))))
            case "APPENDS":
                items = _take(stack, marks.pop())
                stack[-1].extend(items)
            case "SETITEM" | "SETITEMS" as name:
                items = _take(stack, marks.pop() if name == "SETITEMS" else len(stack) - 2)
                _set_items(stack[-1], items)
            case "REDUCE":
                called, arguments = _take(stack, len(stack) - 2)
                stack.append(_call(called, arguments))
            case "BINPERSID":
                stack.append(_storage(*stack.pop()))
            case "BUILD":  # the layers' versions: nothing about the tensors
                stack.pop()
            case name:
                raise ValueError(f"it asks for {name}")
    (described,) = stack
    return described


def _take(stack: list[Any], start: int) -> list[Any]:
    """Remove what is stacked from there on."""
    if not 0 <= start <= len(stack):
        raise ValueError("a value is missing")
    taken, stack[start:] = stack[start:], []
    return taken


def _set_items(target: object, items: list[Any]) -> None:
    if not isinstance(target, dict):
        raise ValueError("it fills what is no dictionary")
    for name, value in zip(items[::2], items[1::2], strict=True):
        if not isinstance(name, str):
            raise ValueError("a key is no text")
        target[name] = value


def _named(name: str) -> Any:  # noqa: ANN401
    """What a pickle asks for by module and name."""
    if name not in NAMED:
        raise ValueError(f"it asks for {name.replace(' ', '.')[:100]}")
    return NAMED[name]


def _call(called: object, arguments: tuple[Any, ...]) -> object:
    if called is DICTIONARY and not arguments:
        return {}
    if called is TENSOR:
        return _tensor(*arguments)
    raise ValueError("it calls what cannot be called")


def _tensor(
    storage: object, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: object
) -> Tensor:
    """In place of `torch._utils._rebuild_tensor_v2`."""
    if not isinstance(storage, Storage) or len(shape) != len(strides):
        raise ValueError("a tensor has no storage, or not as many strides as axes")
    if not all(type(each) is int for each in (offset, *shape, *strides)):
        raise ValueError("a tensor's place is not in whole numbers")
    return Tensor(storage, offset, tuple(shape), tuple(strides))


def _storage(
    word: object, kind: object, name: object, device: object, values: object, view: object
) -> Storage:
    """What PyTorch says of a storage, whose values it keeps outside the pickle."""
    if word != "storage" or not isinstance(kind, np.dtype) or not isinstance(name, str):
        raise ValueError("something else stands where a storage should")
    if not isinstance(values, int) or values < 0 or view is not None:
        raise ValueError(f"storage {name} is not described as a whole")
    return Storage(name, kind, values)


def _words(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200] if str(error).strip() else repr(error)
