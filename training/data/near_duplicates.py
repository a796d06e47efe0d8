"""Pictures that are copies of each other though their bytes differ: saved again, scaled, turned."""

from collections import defaultdict
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from training.data.folder import FolderScan
from training.data.look import POSITIONS, Look, hash_words

MAX_BITS = 24  # of 256; see training.data.look
MAX_COLOUR_STEP = 30.0  # of 255, in the mean of each channel
ROWS_AT_ONCE = 256


def near_duplicate_groups(scan: FolderScan) -> list[tuple[str, ...]]:
    """Groups of two or more paths whose pictures are nearly the same; bytes may be the same."""
    groups = joined(len(scan.images), near_pairs([image.look for image in scan.images]))
    return [tuple(scan.images[i].path for i in group) for group in groups if len(group) > 1]


def near_pairs(looks: list[Look]) -> Iterator[tuple[int, int]]:
    """Index pairs (a < b) of pictures that look the same in one of eight positions."""
    if not looks:
        return
    words = hash_words(looks)
    colours = np.array([look.colours[:3] for look in looks], np.float32)
    flat = np.array([look.flat for look in looks])
    for start in range(0, len(looks), ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        for row, column in np.argwhere(_near(words[rows, 0], words[start:])):
            a, b = start + int(row), start + int(column)
            if a < b and not flat[a] and np.abs(colours[a] - colours[b]).max() <= MAX_COLOUR_STEP:
                yield a, b


def _near(upright: NDArray[np.uint64], others: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """(rows, columns): does the upright hash equal any position of the other, nearly?

    The first word alone rules out most pairs.
    """
    near = np.zeros((len(upright), len(others)), np.bool_)
    for position in range(POSITIONS):
        hashes = others[:, position]
        first = np.bitwise_count(upright[:, None, 0] ^ hashes[None, :, 0])
        rows, columns = np.nonzero(first <= MAX_BITS)
        bits = np.bitwise_count(upright[rows] ^ hashes[columns]).sum(axis=1)
        found = bits <= MAX_BITS
        near[rows[found], columns[found]] = True
    return near


def joined(count: int, pairs: Iterable[tuple[int, int]]) -> list[list[int]]:
    """Indices 0 to count - 1 in groups: who is linked, directly or through others (union-find)."""
    parent = list(range(count))

    def root(item: int) -> int:
        while parent[item] != item:
            parent[item] = parent[parent[item]]
            item = parent[item]
        return item

    for a, b in pairs:
        parent[root(b)] = root(a)
    groups: dict[int, list[int]] = defaultdict(list)
    for item in range(count):
        groups[root(item)].append(item)
    return list(groups.values())
