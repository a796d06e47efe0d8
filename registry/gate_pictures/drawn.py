"""What a generator draws: its outputs, and its pictures beside real ones."""

import numpy as np
from numpy.typing import NDArray

from leafgate.file_names import path_text
from leafgate.images import Pixels
from leafgate.metrics.generative import SIDE, evenly, thumbnails
from leafgate.metrics.manifold import distance_rows
from leafgate.picture_sheet import sheet
from registry.checks import Verdict
from registry.checks.class_fidelity import fidelity_of_classes
from registry.checks.evidence import GeneratorEvidence, Likeness
from registry.checks.memorised import nearness
from registry.gate_pictures.charts import histogram, intervals
from registry.gate_pictures.layout import (
    large,
    mosaic,
    photographs,
    short,
    side_by_side,
    wrapped,
)
from registry.gate_pictures.picture import Picture, bound_in

SHOWN = 16
MOST_VALUES = 2_000_000
PAIRS = 6
CLASSES, OF_EACH = 8, 3


def draw_outputs(evidence: GeneratorEvidence, verdict: Verdict) -> bytes | None:
    """How often the network gave which value."""
    values = evidence.outputs.ravel()[:: max(evidence.outputs.size // MOST_VALUES, 1)]
    bad = int((~np.isfinite(evidence.outputs)).sum())
    if not np.isfinite(values).any():
        return None
    told = f"Values of {len(evidence.outputs)} pictures; {bad:,} are no numbers"
    return histogram(values, told, "output of the network", marks=(-1.0, 1.0))


def draw_collapsed(evidence: GeneratorEvidence, verdict: Verdict) -> bytes:
    """Pictures that are most alike, each beside its nearest, beside real ones chosen alike."""
    return side_by_side(
        mosaic(_most_alike(evidence.images), "Generated, the most alike"),
        mosaic(_most_alike(evidence.real), "Real, the most alike"),
    )


def _most_alike(images: Pixels) -> Pixels:
    """Pairs of nearest pictures, nearest pair first, no picture twice."""
    vectors = thumbnails(images, min(SIDE, images.shape[1]))
    squares = np.concatenate([part for _, part in distance_rows(vectors, vectors)])
    np.fill_diagonal(squares, np.inf)
    partners = squares.argmin(axis=1)
    chosen: list[int] = []
    for row in np.argsort(squares.min(axis=1), kind="stable"):
        pair = [int(row), int(partners[row])]
        if len(chosen) < SHOWN and not set(pair) & set(chosen):
            chosen += pair
    return images[chosen]


def draw_beside_real(evidence: GeneratorEvidence, verdict: Verdict) -> bytes:
    """The first pictures beside real ones."""
    real = evidence.real[evenly(len(evidence.real), SHOWN)]
    return side_by_side(mosaic(evidence.images[:SHOWN], "Generated"), mosaic(real, "Real"))


def draw_memorised(evidence: GeneratorEvidence, verdict: Verdict) -> bytes | None:
    """Pictures nearest to a training image, each beside it."""
    like = evidence.likeness
    assert like is not None  # noqa: S101 - asked for by `needs`
    pairs = nearness(like).closest[:PAIRS] if like.train_files else ()
    side, channels = evidence.images.shape[1], evidence.images.shape[-1]
    learnt = photographs([like.train_files[row] for _, row, _ in pairs], side, channels)
    if not len(learnt):
        return None
    rows = [
        large(np.stack([evidence.images[made], image]))
        for (made, _, _), image in zip(pairs, learnt, strict=True)
    ]
    captions = [
        ["", wrapped(path_text(like.train_files[row].name), SIDE * 4)] for _, row, _ in pairs
    ]
    return sheet(rows, captions=captions, headings=["generated", "learnt from"])


def draw_class_fidelity(evidence: GeneratorEvidence, verdict: Verdict) -> bytes | None:
    """A row a class asked for, the worst first, with what a classifier sees below each picture."""
    like = evidence.likeness
    assert like is not None  # noqa: S101 - asked for by `needs`
    if not len(like.asked):
        return None
    each = fidelity_of_classes(like)
    names = sorted(each, key=lambda name: each[name])[:CLASSES]
    chosen = [_asked(like, name) for name in names]
    side = large(evidence.images[:1]).shape[1]
    return sheet(
        [_padded(large(evidence.images[rows])) for rows in chosen],
        [f"{short(name)} {each[name]:.0%}" for name in names],
        [_seen(like, rows, side) for rows in chosen],
    )


def _asked(like: Likeness, name: str) -> NDArray[np.intp]:
    return np.flatnonzero(like.asked == like.labels.index(name))[:OF_EACH]


def _seen(like: Likeness, rows: NDArray[np.intp], side: int) -> list[str]:
    words = [
        f"{'✓' if like.seen[row] == like.asked[row] else '✗'} {like.labels[like.seen[row]]}"
        for row in rows
    ]
    return [wrapped(word, side) for word in words] + [""] * (OF_EACH - len(words))


def _padded(images: Pixels) -> Pixels:
    missing = OF_EACH - len(images)
    return np.pad(images, ((0, missing), (0, 0), (0, 0), (0, 0)), constant_values=255)


def draw_gain(evidence: GeneratorEvidence, verdict: Verdict) -> bytes | None:
    """The gain with its interval, beside nothing gained."""
    gain = evidence.gain
    if gain is None:
        return None
    return intervals(
        {"macro F1": (gain.value, gain.low, gain.high)},
        "Gained by training on its pictures too",
        "worse ← difference → better",
        bound_in(verdict),
        zero=True,
    )


OUTPUTS = Picture(
    draw_outputs,
    "A histogram of the values that the network gave",
    "How often each value came out (logarithmic). Between the dashed lines at -1 and 1 it can be "
    "made into a pixel.",
)
COLLAPSED = Picture(
    draw_collapsed,
    "The generated pictures that are most alike, in pairs, beside the real ones that are",
    "Each picture stands beside the one nearest to it: first and second, third and fourth. On the "
    "right the real pictures that are most alike, for comparison.",
)
BESIDE_REAL = Picture(
    draw_beside_real,
    "Generated pictures beside real ones",
    "Left: what it draws. Right: real pictures that it has not learnt from.",
)
MEMORISED = Picture(
    draw_memorised,
    "The generated pictures nearest to a training image, each beside that image",
    "Left: what it drew. Right: the image it learnt from that is nearest. If they are the same, it "
    "copies.",
)
CLASS_FIDELITY = Picture(
    draw_class_fidelity,
    "A row of pictures for each class asked for, with the class that a classifier sees in each",
    "At the left the class asked for, with the share of its pictures that are recognised; under "
    "each picture what a classifier sees in it: ✓ the same class, ✗ another.",
)
GAIN = Picture(
    draw_gain,
    "The change in macro F1 by its pictures, with its interval",
    "The dot is the mean change, the line where the true one may well lie; it has to be right of "
    "the dashed bound as a whole.",
)
