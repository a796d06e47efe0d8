"""Generated pictures on disk: one PNG each, which says in its text chunks that it is synthetic.

Class folders make of the target a data folder to train with. What is there is not drawn again.
"""

import errno
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from leafgate.errors import UserError
from leafgate.files import whole
from leafgate.images import encode_png
from registry.generator_model import BATCH, Drawn, Generator, origin, require_series
from registry.store import DIGEST_TAG, ModelVersion

WRITERS = 4  # threads: drawing takes most of the time, writing to a slow disk may
SHOWN_DIGEST = 8  # characters of the artefact's digest in a file's name
FULL_DISK = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True)
class Written:
    """there: pictures that an earlier time had written; drawn: new ones, in so many seconds."""

    there: int
    drawn: int
    seconds: float

    def __str__(self) -> str:
        if not self.drawn:
            return f"all {self.there:,} were there already"
        rate = self.drawn / max(self.seconds, 1e-9)
        return f"{self.there:,} were there already, {self.drawn:,} drawn, {rate:,.1f} pictures/s"


@dataclass(frozen=True)
class Series:
    """Where the pictures of one seed, and of one class where one is asked for, belong."""

    generator: Generator
    version: ModelVersion
    out: Path
    seed: int
    class_name: str | None

    @property
    def stem(self) -> str:
        """How the names begin: another model's picture is never taken for one of these."""
        digest = self.version.tags.get(DIGEST_TAG, "")[:SHOWN_DIGEST]
        return f"synthetic_v{self.version.version}-{digest}_{self.seed}"

    def file(self, index: int) -> Path:
        """`out/<class>/synthetic_v<version>-<digest>_<seed>_<index>.png`."""
        folder = self.out / class_folder(self.generator.class_of(index, self.class_name))
        return folder / f"{self.stem}_{index:06d}.png"

    def prepare(self, count: int) -> None:
        """Make the folders of the first `count`, and clear what a killed writer left in them."""
        one_of_each = range(min(count, max(1, len(self.generator.description.classes))))
        for folder in {self.file(index).parent for index in one_of_each}:
            folder.mkdir(parents=True, exist_ok=True)
            for unfinished in folder.glob(f".{self.stem}_*"):
                unfinished.unlink(missing_ok=True)

    def write(self, piece: Drawn, first: int, missing: Sequence[int]) -> None:
        """Write pictures `missing` of a piece that begins at picture `first`."""
        named = {"model": self.version.name, "version": str(self.version.version)}

        def write(index: int) -> None:
            class_name = piece.class_names[index - first]
            text = origin(named, self.seed, class_name, index)
            with whole(self.file(index)) as beside:
                beside.write_bytes(encode_png(piece.images[index - first], text))

        with ThreadPoolExecutor(WRITERS) as pool:
            list(pool.map(write, missing))


def write_pictures(
    generator: Generator,
    version: ModelVersion,
    out: Path,
    count: int,
    seed: int,
    class_name: str | None = None,
    on_picture: Callable[[], object] = lambda: None,
) -> Written:
    """Write pictures 0 to `count` of `seed` into class folders of `out`, in flat memory.

    Where no class is known (an unconditional generator of several), they lie in `out` itself.
    Raises UserError for a class that cannot be asked for, and where `out` cannot be written.
    """
    require_series(count, seed)
    class_name = generator.known_class(class_name)
    series = Series(generator, version, out, seed, class_name)
    started, drawn = time.perf_counter(), 0
    with _problems_told(out):
        series.prepare(count)
        for first in range(0, count, BATCH):
            piece = range(first, min(first + BATCH, count))
            missing = [index for index in piece if not series.file(index).exists()]
            if missing:
                series.write(generator.draw(piece, seed, class_name), first, missing)
            drawn += len(missing)
            for _ in piece:
                on_picture()
    return Written(count - drawn, drawn, time.perf_counter() - started)


def class_folder(class_name: str | None) -> str:
    """The folder of a class, its name; "" for no class. Raises UserError for one that leads out."""
    name = class_name or ""
    leads_out = {PurePosixPath(name).name, PureWindowsPath(name).name} != {name} or name == ".."
    if leads_out or "\0" in name:
        raise UserError(
            f"the class name {class_name!r} cannot be the name of a folder",
            "train the generator on class folders with plain names",
            code="unsafe_class_name",
        )
    return name


@contextmanager
def _problems_told(out: Path) -> Iterator[None]:
    try:
        if out.exists() and not out.is_dir():
            raise UserError(f"{out} is a file, not a folder", "give a folder with --out")
        yield
    except OSError as error:
        if error.errno in FULL_DISK:
            raise
        raise UserError(
            f"{error.filename or out} cannot be written ({error.strerror})",
            "choose another folder with --out",
        ) from error
