"""Real and generated pictures as a network sees them, on a map of two dimensions."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from leafgate.metrics.generative import evenly
from leafgate.metrics.manifold import distance_rows
from leafgate.pictures import BLUE, ORANGE, figure_png, new_figure
from registry.checks import Verdict
from registry.checks.evidence import Floats, GeneratorEvidence, Likeness
from registry.gate_pictures.charts import WIDTH
from registry.gate_pictures.drawn import draw_beside_real
from registry.gate_pictures.layout import mosaic, stacked
from registry.gate_pictures.picture import Picture

MAPPED = 400  # of each kind
NEIGHBOUR = 5  # whose distance is a real picture's reach, as for coverage
FEWEST = 3
ALONE = 8
Doubles = NDArray[np.float64]


class Cloud(NamedTuple):
    """Points of one kind, (n, 2), and how they look."""

    name: str
    points: Doubles
    colour: str
    marker: str


def draw_kernel_distance(evidence: GeneratorEvidence, verdict: Verdict) -> bytes:
    """A map of both, above pictures of both."""
    like = evidence.likeness
    assert like is not None  # noqa: S101 - asked for by `needs`
    real, generated = projected(like)
    clouds = (Cloud("real", real, BLUE, "o"), Cloud("generated", generated, ORANGE, "^"))
    return stacked(_map(clouds), draw_beside_real(evidence, verdict))


def draw_coverage(evidence: GeneratorEvidence, verdict: Verdict) -> bytes:
    """A map, on which real pictures without a generated one near are marked, above some of them."""
    like = evidence.likeness
    assert like is not None  # noqa: S101 - asked for by `needs`
    real, generated = projected(like)
    far = uncovered(like)
    clouds = (
        Cloud("generated", generated, ORANGE, "^"),
        Cloud("real", real[~far], BLUE, "o"),
        Cloud("real, nothing like it", real[far], "black", "x"),
    )
    rows = np.flatnonzero(far)
    alone = evidence.real[rows[evenly(len(rows), ALONE)]] if len(rows) else None
    shown = None if alone is None else mosaic(alone, "Real, nothing like it is drawn")
    return stacked(_map(clouds), shown)


def projected(like: Likeness) -> tuple[Doubles, Doubles]:
    """(n, 2) and (m, 2): real and generated features along their two main directions together."""
    both = np.concatenate([like.real, like.generated]).astype(np.float64)
    both -= both.mean(axis=0)
    _, _, directions = np.linalg.svd(both[evenly(len(both), 2 * MAPPED)], full_matrices=False)
    points = both @ directions[:2].T
    if points.shape[1] < 2:
        points = np.pad(points, ((0, 0), (0, 2 - points.shape[1])))
    return points[: len(like.real)], points[len(like.real) :]


def uncovered(like: Likeness) -> NDArray[np.bool_]:
    """(n,) real pictures with no generated one nearer than their fifth real neighbour."""
    real, generated = like.real, like.generated
    k = min(NEIGHBOUR, len(real) - 1)
    found = []
    for rows, squares in distance_rows(real, real):
        own = np.arange(len(squares))
        squares[own, own + rows.start] = np.inf
        reach = np.partition(squares, k - 1, axis=1)[:, k - 1]
        found.append(_nearest(real[rows], generated) >= reach)
    return np.concatenate(found)


def _nearest(points: Floats, among: Floats) -> Doubles:
    return np.concatenate([part.min(axis=1) for _, part in distance_rows(points, among)])


def _map(clouds: tuple[Cloud, ...]) -> bytes:
    figure = new_figure(WIDTH, 4.4)
    axis = figure.subplots()
    for cloud in clouds:
        points = cloud.points[evenly(len(cloud.points), MAPPED)]
        axis.scatter(
            points[:, 0],
            points[:, 1],
            22,
            color=cloud.colour,
            marker=cloud.marker,
            alpha=0.6,
            linewidths=1 if cloud.marker == "x" else 0,
            label=f"{len(cloud.points)} {cloud.name}",
        )
    axis.set(xticks=[], yticks=[], xlabel="main direction", ylabel="second direction")
    axis.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, frameon=False, fontsize=9)
    return figure_png(figure)


KERNEL_DISTANCE = Picture(
    draw_kernel_distance,
    "A map of real and generated pictures as dots and triangles; then pictures of both",
    "Each mark is a picture as a network sees it; like ones lie near each other. The better the "
    "generator, the more triangles and dots mix. Below: generated pictures, then real ones.",
)
COVERAGE = Picture(
    draw_coverage,
    "A map of real and generated pictures; real ones without a generated one near are crosses",
    "Each mark is a picture as a network sees it; like ones lie near each other. Crosses are real "
    "pictures that it draws nothing like; some of them are shown below.",
)
