"""Do EfficientNet-Lite0's features find copies that the perceptual hash does not?

    python -m benchmarks.near_copies --data FOLDER --keep FEATURES

Copies of every kind of `made_copies` are made of some images. Recall: copies that are found to be
near their original. False matches: pairs of different originals of the whole folder that are
called copies, though they are neither the same bytes nor, by their file names, the same leaf. The
cosine's threshold is the lowest that has, among the images of the first half, no more false
matches than the hash; figures are of the second half.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.machine import hardware
from benchmarks.made_copies import COPIES, copies_of
from benchmarks.outlier_scores import unit
from benchmarks.pooled import SIZE, Floats, Known, Lite0, arguments, known
from leafgate.images import Pixels, decode, resize
from training.data.look import look_of
from training.data.near_duplicates import near_pairs
from training.data.shots import same_leaf_pairs

SETS = ("plantvillage15", "isic9")
STEP = 0.0005  # of the thresholds that are tried
Pairs = set[tuple[int, int]]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Made:
    """Copies of some images. rows: (n,) of the originals; hash: (n, kinds) found by the hash;
    cosines: (n, kinds) of each with its original.
    """

    rows: NDArray[np.int64]
    hash: Flags
    cosines: Floats


def made(held: Known, features: Floats, network: Lite0, count: int) -> Made:
    """One copy of each kind of `count` images, evenly spaced."""
    rows = np.linspace(0, len(features) - 1, count).astype(np.int64)
    found, small = [], []
    for row in rows:
        original = decode(held.paths[row].read_bytes())
        copies = copies_of(original)
        look = look_of(original)
        found.append([any(near_pairs([look, look_of(copy)])) for copy in copies])
        small += [resize(np.ascontiguousarray(copy), SIZE) for copy in copies]

    def images() -> Pixels:
        return np.stack(small)

    pooled = unit(network.of(f"{held.name} copies {count}", images))
    pooled = pooled.reshape(count, len(COPIES), -1)
    cosines = np.einsum("nc,nkc->nk", unit(features[rows]), pooled)
    return Made(rows, np.array(found), cosines)


def joined_pairs(held: Known) -> tuple[Pairs, Pairs]:
    """Index pairs (a < b) that show the same: by file names or bytes; and neighbours in a series
    of shots alone.
    """
    images = held.scan.images
    shots = {(min(pair), max(pair)) for pair in same_leaf_pairs(images)}
    groups: dict[str, list[int]] = {}
    for place, image in enumerate(images):
        groups.setdefault(image.sha256, []).append(place)
    copies = {(a, b) for group in groups.values() for a in group for b in group if a < b}
    return shots | copies | _within(shots, len(images)), shots


def _within(pairs: Pairs, count: int) -> Pairs:
    """Every pair of a group that the pairs join."""
    from training.data.near_duplicates import joined

    groups = joined(count, pairs)
    return {(a, b) for group in groups for a in group for b in group if a < b}


def cosine_pairs(features: Floats, least: float) -> dict[tuple[int, int], float]:
    """Index pairs (a < b) with a cosine of `least` or more."""
    length = unit(features)
    found = {}
    for start in range(0, len(length), 512):
        near = length[start : start + 512] @ length.T
        for row, column in np.argwhere(near >= least):
            if start + row < column:
                found[int(start + row), int(column)] = float(near[row, column])
    return found


def in_half(pairs: Iterable[tuple[int, int]], half: Flags) -> Pairs:
    """Those with both images in it."""
    return {(a, b) for a, b in pairs if half[a] and half[b]}


def compare(held: Known, features: Floats, network: Lite0, count: int) -> None:
    """Print the table of a data set."""
    copies = made(held, features, network, count)
    same, shots = joined_pairs(held)
    first = np.random.default_rng(0).random(len(features)) < 0.5
    by_hash = set(near_pairs([image.look for image in held.scan.images]))
    cosines = cosine_pairs(features, 0.85)
    allowed = len(in_half(by_hash - same, first))
    values = sorted((cosines[pair] for pair in in_half(set(cosines) - same, first)), reverse=True)
    threshold = values[allowed] + STEP if len(values) > allowed else 0.85
    tested = ~first[copies.rows]
    by_cosine = {pair for pair, value in cosines.items() if value >= threshold}
    rows = {
        "hash": (copies.hash, by_hash),
        f"cosine from {threshold:.4f}": (copies.cosines >= threshold, by_cosine),
    }
    rows["either"] = (copies.hash | (copies.cosines >= threshold), by_hash | by_cosine)
    print(f"\n{held.name}: {tested.sum()} originals of {len(features):,} images, seed 0\n")
    heads = ("found by", *COPIES, "false pairs", "pairs of neighbouring shots")
    print(f"| {' | '.join(heads)} |\n{'|---' * len(heads)}|")
    for name, (flags, pairs) in rows.items():
        recalls = [f"{share:.0%}" for share in flags[tested].mean(axis=0)]
        false = len(in_half(pairs - same, ~first))
        among = in_half(shots, ~first)
        told = f"{len(among & pairs)} of {len(among)}"
        print(f"| {' | '.join((name, *recalls, str(false), told))} |")


def main() -> None:
    """Print a table for each data set."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--images", type=int, default=300, help="that copies are made of")
    options = parser.parse_args()
    network = Lite0(options.keep)
    print(hardware())
    for name in SETS:
        held = known(options.data, name)
        compare(held, network.of(name, held.images), network, options.images)


if __name__ == "__main__":
    main()
