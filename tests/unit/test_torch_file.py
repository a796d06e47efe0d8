"""Tensors of an old PyTorch file: every value in its place, and nothing in the file is ever run."""

import os
import pickle
import resource
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from leafgate.errors import UserError
from registry.torch_file import read_tensors
from tests.torch_files import (
    dictionary,
    head,
    named,
    names,
    number,
    pickled,
    several,
    storage,
    tensor,
    text,
    torch_file,
)

VALUES = np.arange(24, dtype="<f4")
COUNTS = np.array([2**40, -1], "<i8")
GOOD = torch_file(
    {
        "plain": tensor(storage("a", 24), 0, (2, 3, 4), (12, 4, 1)),
        "turned": tensor(storage("a", 24), 1, (3, 2), (1, 12)),
        "count": tensor(storage("b", 2, "LongStorage"), 0, (), ()),
        "counts": tensor(storage("b", 2, "LongStorage"), 0, (2,), (1,)),
    },
    {"a": VALUES, "b": COUNTS},
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "weights.pth"


def refused(file: Path, content: bytes) -> UserError:
    file.write_bytes(content)
    with pytest.raises(UserError, match=r"weights\.pth holds no tensors") as raised:
        read_tensors(file)
    assert (raised.value.code, "\n" in str(raised.value)) == ("damaged_weights", False)
    return raised.value


def test_strides_offsets_and_shared_storages_are_honoured(file: Path) -> None:
    file.write_bytes(GOOD)
    tensors = read_tensors(file)
    assert list(tensors) == ["plain", "turned", "count", "counts"]
    np.testing.assert_array_equal(tensors["plain"], VALUES.reshape(2, 3, 4))
    np.testing.assert_array_equal(tensors["turned"], [[1, 13], [2, 14], [3, 15]])
    assert tensors["plain"].dtype == tensors["turned"].dtype == np.float32
    tensors["plain"][:] = 0  # memory of its own
    assert tensors["turned"][0, 0] == 1


def test_64_bit_storages_keep_every_bit(file: Path) -> None:
    file.write_bytes(GOOD)
    tensors = read_tensors(file)
    assert tensors["counts"].tolist() == [2**40, -1]
    assert (tensors["count"].shape, int(tensors["count"])) == ((), 2**40)


def test_a_file_that_is_cut_off_anywhere_is_refused(file: Path) -> None:
    for length in range(0, len(GOOD), 7):
        refused(file, GOOD[:length])
    assert "after the last storage" in refused(file, GOOD + b"\0").problem


def test_a_scrambled_file_is_refused_or_holds_arrays(file: Path) -> None:
    """Whatever byte is another: no other error than ours."""
    random = np.random.default_rng(0)
    for place in range(0, len(GOOD), 7):
        content = bytearray(GOOD)
        content[place] ^= int(random.integers(1, 256))
        file.write_bytes(content)
        try:
            tensors = read_tensors(file)
        except UserError:
            continue
        assert all(isinstance(each, np.ndarray) for each in tensors.values())


@pytest.mark.parametrize(
    "content", [b"", b"PK\3\4" + bytes(100), b"<html>", b"\x80\x02}.", GOOD[9:]]
)
def test_another_file_is_refused(file: Path, content: bytes) -> None:
    refused(file, content)


class Attack:
    """Runs a command, or anything else, in whoever unpickles it."""

    def __init__(self, call: Any, *arguments: object) -> None:
        self.call, self.arguments = call, arguments

    def __reduce__(self) -> tuple[Any, tuple[object, ...]]:
        return self.call, self.arguments


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("place", range(5))
def test_no_code_is_run_from_any_of_the_pickles(file: Path, place: int, protocol: int) -> None:
    mark = file.with_name("mark")
    attack = pickle.dumps(Attack(os.system, f"touch '{mark}'"), protocol)
    pickle.loads(attack)
    assert mark.exists()  # it does run where a pickle is read as a pickle
    mark.unlink()
    parts = [*(pickled(number(each)) for each in (1, 2, 3)), pickled(dictionary({})), names(())]
    for good in (parts, [head(), b"", b"", *parts[3:]]):
        content = b"".join([*good[:place], attack, *good[place + 1 :]])
        assert "asks for" in refused(file, content).problem
    inside = pickled(dictionary({"weight": attack[2:-1]})) if protocol == 2 else attack
    refused(file, head() + inside + names(()))
    assert not mark.exists()


@pytest.mark.parametrize(
    ("module", "name"),
    [
        *(("builtins", "eval"), ("builtins", "getattr"), ("os", "system"), ("posix", "system")),
        *(("torch", "load"), ("torch._utils", "_rebuild_parameter"), ("collections", "Counter")),
        ("collections OrderedDict", ""),
    ],
)
def test_a_file_gets_nothing_that_it_asks_for_by_name(file: Path, module: str, name: str) -> None:
    asked = pickled(named(module, name) + several(text("1")) + b"R")
    assert f"asks for {module}".split()[0] in refused(file, head() + asked + names(())).problem


@pytest.mark.parametrize(
    "body",
    [
        named("collections", "OrderedDict") + several(several()) + b"R",  # filled by its own call
        several(text("a")) + several() + b"R",
        tensor(number(1), 0, (1,), (1,)),
        tensor(storage("a", 24), 0, (1, 1), (1,)),
        tensor(
            several(text("module"), b"N", text("a"), text("cpu"), number(1), b"N") + b"Q", 0, (), ()
        ),
        tensor(storage("a", 24, view=text("a view of another")), 0, (1,), (1,)),
        tensor(storage("a", -24), 0, (1,), (1,)),
        named("torch._utils", "_rebuild_tensor_v2"),
        text("words"),
    ],
)
def test_what_is_no_tensor_is_refused(file: Path, body: bytes) -> None:
    filled = pickled(dictionary({"weight": body}))
    refused(file, head() + filled + names(["a"]) + GOOD[-8 - 96 :])


@pytest.mark.parametrize(
    ("offset", "shape", "strides"),
    [
        (20, (5,), (1,)),
        (24, (), ()),
        (-1, (1,), (1,)),
        (0, (2, 13), (12, 1)),
        (23, (2,), (-1,)),
        (0, (2**62, 2**62), (0, 0)),  # no memory has that many values
        (0, (25,), (0,)),
        (0, (-1,), (1,)),
        (2**200, (1,), (1,)),
    ],
)
def test_a_tensor_beyond_its_storage_is_refused(
    file: Path, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]
) -> None:
    bad = torch_file({"w": tensor(storage("a", 24), offset, shape, strides)}, {"a": VALUES})
    assert "beyond its storage" in refused(file, bad).problem


def test_a_storage_is_described_once_and_as_it_is(file: Path) -> None:
    """A second description could show memory behind the values."""
    small = tensor(storage("a", 24), 0, (1,), (1,))
    for other in (storage("a", 10**9), storage("a", 24, "LongStorage")):
        for both in ((small, tensor(other, 0, (1,), (1,))), (tensor(other, 0, (1,), (1,)), small)):
            bad = torch_file(dict(zip("xy", both, strict=True)), {"a": VALUES})
            assert "in two ways" in refused(file, bad).problem
    longer = torch_file({"x": tensor(storage("a", 25), 24, (1,), (1,))}, {"a": VALUES})
    assert "has 24 values, not 25" in refused(file, longer).problem
    for stored in ({}, {"b": VALUES}, {"a": VALUES, "b": VALUES}):
        refused(file, torch_file({"x": small}, stored))
    twice = head() + pickled(dictionary({"x": small})) + names(["a", "a"])
    refused(file, twice + 2 * GOOD[-8 - 16 - 8 - 96 : -8 - 16])


@pytest.mark.parametrize("declared", [2**30, 2**60])
def test_memory_is_not_taken_for_values_that_are_only_declared(file: Path, declared: int) -> None:
    content = torch_file({"w": tensor(storage("a", declared), 0, (1,), (1,))}, {"a": VALUES})
    content = content.replace((24).to_bytes(8, "little"), declared.to_bytes(8, "little"))
    tracemalloc.start()
    assert "cut off" in refused(file, content).problem
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()


def nested(depth: int) -> bytes:
    return b")" + depth * b"\x85"


DOUBLED = b")" + 60 * b"q\0h\0\x86"  # a tuple of itself twice, sixty times: 2**60 if looked through


@pytest.mark.parametrize(
    "bomb",
    [
        b"r\xff\xff\xff\x7f".join((b"N", b"")),  # a numbered value, the two thousand millionth
        nested(30_000),
        b"}(" + nested(30_000) + b"Nu",
        b"}(" + DOUBLED + b"Nu",
        DOUBLED,
        storage("a", 1).replace(text("storage"), DOUBLED),
        tensor(storage("a", 24), 0, (1,), (1,)).replace(number(24), DOUBLED),
        b"\x8d" + (2**62).to_bytes(8, "little"),  # a text of so many bytes
        b"\x8b" + (2**31 - 1).to_bytes(4, "little"),  # a number of so many
        b"]q\0" + 10 * b"(h\0e",  # a list in itself
    ],
    ids=range(10),
)
def test_bombs_do_not_go_off(file: Path, bomb: bytes) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused(file, head() + pickled(dictionary({"weight": bomb})) + names(["a"]))
    refused(file, head() + pickled(dictionary({})) + pickled(bomb))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000  # KiB


def test_a_machine_of_another_byte_order_is_refused(file: Path) -> None:
    content = head(little_endian=b"\x89") + pickled(dictionary({})) + names(())
    assert "first values" in refused(file, content).problem
    file.write_bytes(head() + pickled(dictionary({})) + names(()))
    assert read_tensors(file) == {}


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"away\.pth cannot be read \(No such file"):
        read_tensors(tmp_path / "away.pth")
    with pytest.raises(UserError, match=r"cannot be read \(Is a directory"):
        read_tensors(tmp_path)
