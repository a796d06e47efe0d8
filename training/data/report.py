"""A look at the data before anything is trained: balance, sizes, copies, odd pictures, background.

Every image is decoded once; some 600 numbers of each are kept.
"""

import io
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.neighbors import NearestNeighbors

from leafgate.errors import ImageError, UserError
from leafgate.file_names import disk_path, path_text
from leafgate.images import DECODE_THREADS, FORMATS, Pixels, decode, resize
from leafgate.manifest import Manifest
from leafgate.progress import progress
from training.data.border import Background, BorderTest, background, border_of, border_test
from training.data.conflicts import Conflict, counted, find_conflicts
from training.data.folder import FolderScan, Skipped
from training.data.folder_tree import LeftOut
from training.data.given_sides import given_manifest
from training.data.leaks import Leak, find_leaks
from training.data.named_images import rows_of
from training.data.near_duplicates import near_duplicate_groups

Features = NDArray[np.float32]
Names = NDArray[np.str_]
T = TypeVar("T")

THUMBNAIL, COLOUR_LEVELS, GREY_SIDE, CELLS, ORIENTATIONS = 64, 4, 8, 4, 8
FAR = 4.0  # standard deviations; one rare colour is not to outweigh all the rest
COMPONENTS, NEIGHBOURS = 32, 5
OUTLIERS_A_CLASS = 5
OUTLIER_SCORE = 3.5  # Iglewicz and Hoaglin 1993, for the robust z-score


@dataclass(frozen=True)
class Sizes:
    """counts: images of each `width x height`. smallest, largest: width and height, by area."""

    counts: dict[str, int]
    formats: dict[str, int]
    smallest: tuple[int, int]
    largest: tuple[int, int]


@dataclass(frozen=True)
class Copies:
    """Pictures that are the same. classes: more than one is a wrong label; sides: more, a leak."""

    paths: tuple[str, ...]
    classes: tuple[str, ...]
    sides: tuple[str, ...]


@dataclass(frozen=True)
class Outlier:
    """A picture unlike the others of its class. score: robust z of the distance to its nearest."""

    path: str
    class_name: str
    score: float


@dataclass(frozen=True)
class GivenSides:
    """Where the folders give sides. folders: of each side; counts: images by class and side."""

    folders: dict[str, str]
    counts: dict[str, dict[str, int]]
    leaks: tuple[Leak, ...]

    @property
    def line(self) -> str:
        """For a person."""
        images = Counter[str]()
        for counts in self.counts.values():
            images.update(counts)
        given = ", ".join(
            f"{side} {images[side]:,} images ({folder}/)" for side, folder in self.folders.items()
        )
        return (
            f"the folders give the sides: {given}; groups of copies or shots of one leaf that are "
            f"on two of them: {len(self.leaks)}"
        )


@dataclass(frozen=True)
class DataReport:
    """All that was found.

    conflicts: pictures filed under more than one class. near_duplicates: groups in which not all
    bytes are the same.
    """

    root: str
    manifest_digest: str | None
    counts: dict[str, int]
    imbalance_ratio: float
    sizes: Sizes
    conflicts: tuple[Conflict, ...]
    exact_duplicates: tuple[Copies, ...]
    near_duplicates: tuple[Copies, ...]
    skipped: tuple[Skipped, ...]
    outliers: tuple[Outlier, ...]
    backgrounds: tuple[Background, ...]
    border: BorderTest | None
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    sides: GivenSides | None = None

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return {**asdict(self), "border": self.border.as_dict() if self.border else None}

    def lines(self) -> list[str]:
        """The findings, one a line, for a person."""
        copies = (*self.exact_duplicates, *self.near_duplicates)
        mislabelled = sum(len(item.classes) > 1 for item in copies)
        leaks = f", {sum(len(item.sides) > 1 for item in copies)} on two sides of the split"
        told = [
            f"{sum(self.counts.values()):,} images in {len(self.counts)} classes, the largest "
            f"{self.imbalance_ratio:.2f} times the smallest"
        ]
        if self.sides:
            told.append(self.sides.line)
        if self.conflicts:
            told.append(f"{counted(self.conflicts)}: a split leaves them out")
        told.append(f"{len(self.skipped)} files cannot be used")
        if self.left_out:
            files = sum(item.files for item in self.left_out)
            told.append(f"files left out: {files:,} (places: {len(self.left_out)})")
        told += [
            f"{len(self.exact_duplicates)} groups of identical files and "
            f"{len(self.near_duplicates)} of near copies: {mislabelled} under more than one class"
            f"{leaks if self.manifest_digest or self.sides else ''}",
            f"{len(self.outliers)} pictures are unlike the others of their class",
        ]
        return [*told, self.border.verdict if self.border else self.border_untested]

    @property
    def border_untested(self) -> str:
        """Why there is no border test, where there is none."""
        why = "there is one class" if len(self.counts) < 2 else "all images show the same thing"
        return f"It cannot be told whether the border gives the class away: {why}."


@dataclass(frozen=True)
class Glance:
    """What is kept of one image: width and height, format, border cells, features (256,)."""

    size: tuple[int, int]
    format: str
    border: Features
    features: Features


def data_report(scan: FolderScan, manifest: Manifest | None = None, seed: int = 0) -> DataReport:
    """Look at every image of `scan`; `manifest`: a split to judge copies and the border by.

    Raises UserError for a file that changed since the scan, or a manifest of another folder.
    """
    given = None if manifest else given_manifest(scan)
    judged = manifest or given
    tested = judged if manifest or (given and given.side("train") and given.side("test")) else None
    paths = [image.path for image in scan.images]
    seen = for_each_image(scan.root, paths, _glance, "looking at images")
    borders = np.stack([item.border for item in seen])
    names = np.array([image.class_name for image in scan.images])
    counts = scan.counts
    row_of = rows_of(paths, judged) if judged else {}
    side_of = {paths[place]: str(row.side) for place, row in row_of.items()}
    return DataReport(
        root=path_text(scan.root),
        manifest_digest=manifest.digest if manifest else None,
        counts=counts,
        imbalance_ratio=max(counts.values()) / min(counts.values()),
        sizes=_sizes(seen),
        conflicts=find_conflicts(scan),
        exact_duplicates=_copies(scan, side_of, _same_bytes(scan)),
        near_duplicates=_copies(scan, side_of, _near_copies(scan)),
        skipped=scan.skipped,
        outliers=tuple(_outliers(paths, names, np.stack([item.features for item in seen]))),
        backgrounds=tuple(background(name, borders[names == name]) for name in counts),
        border=border_test(borders, scan, tested, seed),
        warnings=scan.warnings,
        notes=scan.notes,
        left_out=scan.left_out,
        sides=_given_sides(scan, given) if given else None,
    )


def _given_sides(scan: FolderScan, given: Manifest) -> GivenSides:
    counts: dict[str, dict[str, int]] = {name: {} for name in scan.counts}
    for row in given.rows:
        counts[row.class_name][row.side] = counts[row.class_name].get(row.side, 0) + 1
    folders = {str(side): places for side, places in scan.sides.items()}
    leaks = find_leaks(scan, given).leaks if len(scan.sides) > 1 else ()
    return GivenSides(folders, counts, leaks)


def for_each_image(
    root: Path, paths: Sequence[str], take: Callable[[bytes], T], description: str
) -> list[T]:
    """`take` of each file's bytes, in threads, with a progress bar.

    Raises ImageError or UserError that names the file.
    """

    def read(path: str) -> T:
        try:
            return take(disk_path(root, path).read_bytes())
        except ImageError as error:
            raise ImageError(f"{path}: {error.problem}", error.fix, code=error.code) from error
        except OSError as error:
            problem = f"{path} cannot be read any more ({error.strerror})"
            raise UserError(problem, "put it back, or start again without it") from None

    taken = []
    with ThreadPoolExecutor(DECODE_THREADS) as pool, progress(description, len(paths)) as advance:
        for item in pool.map(read, paths):
            taken.append(item)
            advance()
    return taken


def _glance(data: bytes) -> Glance:
    image = decode(data)
    format_name = Image.open(io.BytesIO(data), formats=FORMATS).format or "unknown"
    small = resize(image, THUMBNAIL)
    return Glance((image.shape[1], image.shape[0]), format_name, border_of(small), _features(small))


def _features(image: Pixels) -> Features:
    """(64, 64, 3) to 64 colours, 64 grey pixels and 128 edge directions: (256,) in [0, 1]."""
    levels = (image // (256 // COLOUR_LEVELS)).reshape(-1, 3).astype(np.int64)
    colours = levels @ [COLOUR_LEVELS**2, COLOUR_LEVELS, 1]
    shares = np.bincount(colours, minlength=COLOUR_LEVELS**3) / len(colours)
    grey = image.astype(np.float32).mean(axis=-1)
    step = len(image) // GREY_SIDE
    small = grey.reshape(GREY_SIDE, step, GREY_SIDE, step).mean(axis=(1, 3)).ravel() / 255
    return np.concatenate([np.sqrt(shares), small, np.sqrt(_edges(grey))]).astype(np.float32)


def _edges(grey: Features) -> NDArray[np.float64]:
    """(side, side) to shares of edge strength by cell and direction: (CELLS**2 * ORIENTATIONS,)."""
    down, right = np.gradient(grey)
    turn = np.arctan2(down, right) % np.pi / np.pi
    direction = np.minimum((turn * ORIENTATIONS).astype(np.int64), ORIENTATIONS - 1)
    cell = np.arange(len(grey)) * CELLS // len(grey)
    place = (cell[:, None] * CELLS + cell) * ORIENTATIONS + direction
    strength = np.hypot(down, right).ravel()
    total = max(float(strength.sum()), 1e-6)
    return np.bincount(place.ravel(), strength, CELLS**2 * ORIENTATIONS) / total


def _outliers(paths: Sequence[str], names: Names, features: Features) -> Iterator[Outlier]:
    """The oddest of each class, worst first; a class too small to tell has none."""
    points = _components(features)
    for name in np.unique(names):
        indices = np.flatnonzero(names == name)
        if len(indices) > NEIGHBOURS:
            scores = _oddness(points[indices])
            worst = np.argsort(-scores)[:OUTLIERS_A_CLASS]
            for place in worst[scores[worst] > OUTLIER_SCORE]:
                yield Outlier(paths[indices[place]], str(name), float(scores[place]))


def _components(features: Features) -> Features:
    """Standardised and turned to (n, COMPONENTS) principal components."""
    spread = np.maximum(features.std(axis=0), 1e-3)
    standard = np.clip((features - features.mean(axis=0)) / spread, -FAR, FAR)
    _, axes = np.linalg.eigh(np.cov(standard.T))
    return (standard @ axes[:, -COMPONENTS:]).astype(np.float32)


def _oddness(points: Features) -> Features:
    """Robust z-score of each point's mean distance to its nearest neighbours."""
    distances = NearestNeighbors(n_neighbors=NEIGHBOURS).fit(points).kneighbors()[0].mean(axis=1)
    middle = np.median(distances)
    spread = 1.4826 * np.median(np.abs(distances - middle))
    return (distances - middle) / max(float(spread), 1e-2 * float(middle), 1e-6)


def _sizes(seen: Sequence[Glance]) -> Sizes:
    sizes = Counter(item.size for item in seen).most_common()
    by_area = sorted((width * height, (width, height)) for (width, height), _ in sizes)
    counts = {f"{width} x {height}": images for (width, height), images in sizes}
    formats = dict(Counter(item.format for item in seen).most_common())
    return Sizes(counts, formats, by_area[0][1], by_area[-1][1])


def _same_bytes(scan: FolderScan) -> list[tuple[str, ...]]:
    groups: dict[str, list[str]] = defaultdict(list)
    for image in scan.images:
        groups[image.sha256].append(image.path)
    return [tuple(group) for group in groups.values() if len(group) > 1]


def _near_copies(scan: FolderScan) -> list[tuple[str, ...]]:
    digests = {image.path: image.sha256 for image in scan.images}
    return [g for g in near_duplicate_groups(scan) if len({digests[path] for path in g}) > 1]


def _copies(
    scan: FolderScan, side_of: dict[str, str], groups: Iterable[tuple[str, ...]]
) -> tuple[Copies, ...]:
    """side_of: the side of each image that has one."""
    class_of = {image.path: image.class_name for image in scan.images}

    def among(known: dict[str, str], group: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(sorted({known[path] for path in group if path in known}))

    return tuple(Copies(group, among(class_of, group), among(side_of, group)) for group in groups)
