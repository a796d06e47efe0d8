"""A split made imbalanced by design: a long-tailed training side, a balanced test side."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from leafgate.manifest import Manifest, ManifestRow
from leafgate.manifest import Side as SideName
from training.classifier.finished import Side, load_side_for


def counts_of(manifest: Manifest, side: SideName) -> dict[str, int]:
    """Images of each class on one side."""
    rows = manifest.side(side)
    return {name: sum(row.class_name == name for row in rows) for name in manifest.classes}


def long_tail(manifest: Manifest, imbalance: float, seed: int) -> Manifest:
    """The same split with fewer training images: the n-th class keeps most * imbalance^-share."""
    available = counts_of(manifest, "train")
    rng = np.random.default_rng(seed)
    names = [str(name) for name in rng.permutation(manifest.classes)]
    most, last = max(available.values()), max(len(names) - 1, 1)
    wanted = {n: round(most * imbalance ** (-place / last)) for place, n in enumerate(names)}
    kept = [row for row in manifest.rows if row.side != "train"]
    kept += _some_of_each(manifest.side("train"), wanted, rng)
    return replace(manifest, rows=tuple(sorted(kept)))


def _some_of_each(
    rows: Sequence[ManifestRow], wanted: dict[str, int], rng: np.random.Generator
) -> list[ManifestRow]:
    """At random, of each class at most as many as wanted, and one at least."""
    kept = []
    for name, count in wanted.items():
        own = [row for row in rows if row.class_name == name]
        kept += [own[index] for index in rng.permutation(len(own))[: max(count, 1)]]
    return kept


def balanced_test(manifest: Manifest, size: int) -> Side:
    """As many test images of each class as the rarest has."""
    found = counts_of(manifest, "test")
    alike = dict.fromkeys(found, min(found.values()))
    chosen = _some_of_each(manifest.side("test"), alike, np.random.default_rng(0))
    return load_side_for(manifest, tuple(chosen), size)
