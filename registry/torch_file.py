"""Tensors out of a file that PyTorch wrote before its version 1.6, read without PyTorch.

The file is five pickles (magic number, protocol, machine, the tensors' descriptions, the names of
the storages), then of each storage the number of its values (int64) and the values. A tensor is an
offset, a shape and strides in one storage. A pickle can run code: only the three kinds of object
that such a file needs are known here, and anything else is refused.
"""

import pickle
from collections import OrderedDict
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from leafgate.errors import UserError

MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
STORAGES = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}


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
        with file.open("rb") as stream:
            described = _described(stream)
            stored = {each.storage.name: each.storage for each in described.values()}
            names = _Unpickler(stream).load()
            if sorted(names) != sorted(stored):
                raise ValueError("the storages are not those of the tensors")
            values = {name: _values(stream, stored[name]) for name in names}
        return {name: _tensor(each, values) for name, each in described.items()}
    except OSError as error:
        raise UserError(
            f"{file} cannot be read ({error.strerror})", "check the path and its rights"
        ) from error
    except Exception as error:  # a pickle that is cut off or made up raises nearly anything
        raise UserError(
            f"{file} is no file of tensors of PyTorch before 1.6 ({error or repr(error)})",
            "install the package that brought it anew",
            code="no_weights",
        ) from error


def _described(stream: IO[bytes]) -> dict[str, Tensor]:
    magic, protocol, machine = (_Unpickler(stream).load() for _ in range(3))
    if magic != MAGIC or protocol != PROTOCOL or not machine["little_endian"]:
        raise ValueError("its first values are others")
    described = _Unpickler(stream).load()
    if not isinstance(described, dict) or not all(
        isinstance(name, str) and isinstance(each, Tensor) for name, each in described.items()
    ):
        raise ValueError("it holds other things than tensors")
    return dict(described)


def _values(stream: IO[bytes], storage: Storage) -> NDArray[Any]:
    """The values of the storage that comes next."""
    number = int.from_bytes(stream.read(8), "little")
    if number != storage.values:
        raise ValueError(f"storage {storage.name} has {number} values, not {storage.values}")
    data = stream.read(number * storage.kind.itemsize)
    return np.frombuffer(data, storage.kind, number)


def _tensor(each: Tensor, values: dict[str, NDArray[Any]]) -> NDArray[Any]:
    last = each.offset + sum((n - 1) * s for n, s in zip(each.shape, each.strides, strict=True))
    smallest = min((each.offset, *each.strides, *(n - 1 for n in each.shape)))
    if smallest < 0 or last >= each.storage.values:
        raise ValueError("a tensor reaches beyond its storage")
    held = values[each.storage.name][each.offset :]
    strides = tuple(step * held.itemsize for step in each.strides)
    return np.array(np.lib.stride_tricks.as_strided(held, each.shape, strides, writeable=False))


def _rebuild(storage: Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...],
             *_: object) -> Tensor:  # fmt: skip
    """In place of `torch._utils._rebuild_tensor_v2`."""
    return Tensor(storage, offset, tuple(shape), tuple(strides))


class _Unpickler(pickle.Unpickler):
    """Knows what a file of tensors needs, and nothing that could run code."""

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401 - pickle's hook
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild
        if module == "torch" and name in STORAGES:
            return STORAGES[name]
        raise pickle.UnpicklingError(f"{module}.{name} has no place in it")

    def persistent_load(self, told: Any) -> Storage:  # noqa: ANN401 - pickle's hook
        kind, storage_type, name, _, values, *_ = told
        if kind != "storage":
            raise pickle.UnpicklingError(f"{kind} has no place in it")
        return Storage(str(name), storage_type, int(values))
