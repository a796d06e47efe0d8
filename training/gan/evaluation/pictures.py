"""Pictures of a stored generator: what it draws, whether it copies, and what lies between. PNGs."""

import io
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from leafgate.images import Pixels
from leafgate.metrics.generative import evenly
from leafgate.metrics.manifold import distance_rows
from leafgate.picture_sheet import WORDS, sheet
from leafgate.pictures import BLUE, ORANGE, figure_png
from registry import Generator, to_pixels
from training.gan.evaluation.class_figures import ClassFigures
from training.gan.evaluation.evidence import Evidence
from training.gan.evaluation.measure import GeneratorEvaluation, Pairs

Floats = NDArray[np.floating]

COLUMNS, PLAIN_ROWS = 10, 6
STEPS, ROWS = 9, 6
LOOKED_UP, NEIGHBOURS = 8, 5
PAIRS_A_ROW = 4
MAPPED = 300  # real and generated features each, on the map
FEWEST_MAPPED = 8
FRAMES, FRAME_SIDE = 60, 512
FRAME_MS, LAST_FRAME_MS = 150, 3000


def pictures(evidence: Evidence, result: GeneratorEvaluation) -> dict[str, bytes]:
    """PNG by file name; `classes.png` only where a classifier knows the classes."""
    drawn = {
        "samples.png": samples_by_class(evidence.generator, evidence.seed),
        "closest.png": closest_pairs(evidence, result.closest),
        "neighbours.png": nearest_neighbours(evidence),
        "interpolation.png": interpolation(evidence.generator, evidence.seed),
        "tsne.png": tsne(evidence.test_features, evidence.features, evidence.seed),
    }
    if result.classes:
        drawn["classes.png"] = class_histogram(result.classes)
    return drawn


def samples_by_class(generator: Generator, seed: int) -> bytes:
    """The first pictures of the seed: a row a class, or six rows where none can be asked for."""
    described = generator.description
    if described.conditional:
        names = described.classes
        rows = [generator.generate(COLUMNS, seed, class_name=name) for name in names]
        return sheet(rows, names)
    plain = generator.generate(PLAIN_ROWS * COLUMNS, seed)
    return sheet(list(plain.reshape(PLAIN_ROWS, COLUMNS, *plain.shape[1:])))


def slerp(start: Floats, end: Floats, steps: int) -> NDArray[np.float32]:
    """(steps, d) from `start` (d,) to `end` along the sphere (Shoemake 1985), both included.

    A straight line passes near the middle, where a normal distribution of many dimensions has no
    points. Straight all the same where both point the same way, or opposite ones.
    """
    share = np.linspace(0, 1, steps)[:, None]
    lengths = np.linalg.norm(start) * np.linalg.norm(end)
    angle = np.arccos(np.clip(start @ end / max(float(lengths), 1e-12), -1, 1))
    if np.sin(angle) < 1e-6:
        return np.asarray((1 - share) * start + share * end, np.float32)
    weights = np.sin((1 - share) * angle), np.sin(share * angle)
    return np.asarray((weights[0] * start + weights[1] * end) / np.sin(angle), np.float32)


def interpolation(generator: Generator, seed: int) -> bytes:
    """Rows from one latent of the seed to another, of several classes; the last between two."""
    classes = generator.description.classes if generator.description.conditional else ()
    asked = [classes[place] for place in evenly(len(classes), ROWS)] or [None] * ROWS
    ends = generator.draw(range(2 * len(asked)), seed).latents
    rows = []
    for row, name in enumerate(asked):
        path = slerp(ends[2 * row], ends[2 * row + 1], STEPS)
        rows.append(generator.run(path, [generator.class_of(0, name)] * STEPS))
    names = [str(name) for name in asked] if classes else []
    if len(classes) > 1:
        rows.append(_between(generator, ends[0], classes[0], classes[-1]))
        names.append(f"{classes[0]} to {classes[-1]}")
    return sheet(rows, names)


def _between(generator: Generator, latent: Floats, start: str, end: str) -> Pixels:
    """The same latent while one class turns into another."""
    latents = np.repeat(latent[None], STEPS, axis=0)
    share = np.linspace(0, 1, STEPS)[:, None]
    one, other = (generator.inputs(latents, [name] * STEPS) for name in (start, end))
    return to_pixels(generator.engine.run(((1 - share) * one + share * other).astype(np.float32)))


def nearest_neighbours(evidence: Evidence) -> bytes:
    """The first pictures, each beside its nearest training images; distances of features below."""
    count = min(LOOKED_UP, len(evidence.features))
    squares = np.concatenate(
        [part for _, part in distance_rows(evidence.features[:count], evidence.train_features)]
    )
    near = np.argsort(squares, axis=1, kind="stable")[:, :NEIGHBOURS]
    rows = [
        np.concatenate([evidence.drawn.images[i : i + 1], evidence.train.images[near[i]]])
        for i in range(count)
    ]
    captions = [["", *(f"{squares[i, j] ** 0.5:.3g}" for j in near[i])] for i in range(count)]
    headings = ["generated", *(f"nearest {n + 1}" for n in range(near.shape[1]))]
    return sheet(rows, captions=captions, headings=headings)


def closest_pairs(evidence: Evidence, closest: Pairs) -> bytes:
    """Pictures that lie nearest to a training image, each beside it, nearest pair first."""
    images: list[Pixels] = []
    captions: list[str] = []
    for picture, training, distance in closest:
        images += [evidence.drawn.images[picture], evidence.train.images[training]]
        captions += [f"picture {picture}", f"{distance:.3g}"]
    width = 2 * min(PAIRS_A_ROW, len(closest))
    missing = -len(images) % width
    images += [np.full_like(images[0], 255)] * missing
    captions += [""] * missing
    starts = range(0, len(images), width)
    return sheet(
        [np.stack(images[start : start + width]) for start in starts],
        captions=[captions[start : start + width] for start in starts],
        headings=["generated", "training"] * (width // 2),
    )


def class_histogram(found: ClassFigures) -> bytes:
    """Wanted beside recognised shares; where classes can be asked for, how often that was seen."""
    names = [name for name in found.wanted if found.wanted[name] or found.recognised[name]][::-1]
    panels = 2 if found.fidelity_by_class else 1
    figure = Figure(figsize=(2 + 4.5 * panels, 1.4 + 0.36 * len(names)), layout="constrained")
    axes = figure.subplots(1, panels, squeeze=False, sharey=True)[0]
    _bar_pairs(axes[0], names, {"wanted": found.wanted, "recognised": found.recognised})
    axes[0].set_xlabel(f"share of {found.pictures} pictures")
    if panels == 2:
        shares = {"real images": found.accuracy_by_class, "pictures": found.fidelity_by_class}
        _bar_pairs(axes[1], names, shares)
        axes[1].axvline(found.chance, color="grey", linewidth=1, linestyle=":")
        axes[1].set(xlabel="share recognised as the class it is, or was asked to be", xlim=(0, 1))
    return figure_png(figure)


def _bar_pairs(axis: Axes, names: Sequence[str], shares: dict[str, dict[str, float]]) -> None:
    places = np.arange(len(names))
    for (label, values), shift, colour in zip(
        shares.items(), (0.2, -0.2), (BLUE, ORANGE), strict=True
    ):
        widths = [values.get(name, 0.0) for name in names]
        axis.barh(places + shift, widths, 0.38, color=colour, label=label)
    axis.set_yticks(places, names, **WORDS)
    axis.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2, frameon=False)


def tsne(real: Floats, generated: Floats, seed: int) -> bytes:
    """A map of features, near ones near each other (van der Maaten & Hinton 2008): do they mix?"""
    some, others = _evenly(real), _evenly(generated)
    figure = Figure(figsize=(6.4, 6), layout="constrained")
    axis = figure.subplots()
    axis.set(xticks=[], yticks=[])
    if len(some) + len(others) < FEWEST_MAPPED:
        axis.text(0.5, 0.5, "too few images for a map", ha="center")
        return figure_png(figure)
    places = _mapped(np.concatenate([some, others]), seed)
    for label, colour, points in (
        (f"{len(some)} real test images", BLUE, places[: len(some)]),
        (f"{len(others)} pictures", ORANGE, places[len(some) :]),
    ):
        axis.scatter(points[:, 0], points[:, 1], 14, color=colour, alpha=0.6, label=label)
    axis.legend(loc="upper center", bbox_to_anchor=(0.5, 1.07), ncols=2, frameon=False)
    return figure_png(figure)


def _mapped(features: Floats, seed: int) -> Floats:
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    perplexity = min(30.0, (len(features) - 1) / 3)
    start = "pca" if features.shape[1] >= 2 else "random"
    mapping = TSNE(perplexity=perplexity, init=start, random_state=seed % 2**32)
    with threadpool_limits(1):  # with more, its threads wait for each other: up to 100 times slower
        return np.asarray(mapping.fit_transform(np.asarray(features, np.float64)))


def _evenly(features: Floats) -> Floats:
    """At most 300 of them, from the first to the last."""
    return features[evenly(len(features), MAPPED)]


def progress_gif(frames: Sequence[bytes]) -> bytes:
    """GIF of sample pictures (PNG, one an epoch): at most 60, evenly chosen, the last held longer.

    Larger ones than 512 pixels are made smaller. Raises ValueError for no frames.
    """
    if not frames:
        raise ValueError("no frames to show")
    images = [_frame(frames[index]) for index in evenly(len(frames), FRAMES)]
    times = [FRAME_MS] * (len(images) - 1) + [LAST_FRAME_MS]
    buffer = io.BytesIO()
    images[0].save(buffer, "GIF", save_all=True, append_images=images[1:], duration=times, loop=0)
    return buffer.getvalue()


def _frame(encoded: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(encoded)).convert("RGB")
    image.thumbnail((FRAME_SIDE, FRAME_SIDE))
    return image.quantize(dither=Image.Dither.NONE)
