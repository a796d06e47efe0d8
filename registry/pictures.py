"""Generated pictures on disk: one PNG each, which says in its text chunks that it is synthetic."""

from collections.abc import Callable
from pathlib import Path

from leafgate.images import encode_png
from registry.generator_model import Generator
from registry.store import ModelVersion


def origin(version: ModelVersion, seed: int, index: int) -> dict[str, str]:
    """Text chunks of one generated picture."""
    return {
        "synthetic": "true",
        "model": version.name,
        "version": str(version.version),
        "seed": str(seed),
        "index": str(index),
    }


def write_pictures(
    generator: Generator,
    version: ModelVersion,
    out: Path,
    count: int,
    seed: int,
    on_picture: Callable[[], object],
) -> None:
    """Write pictures 0 to `count` of `seed` into `out`, in flat memory; those there are kept."""
    out.mkdir(parents=True, exist_ok=True)
    index = 0
    for batch in generator.batches(count, seed):
        for picture in batch:
            file = out / f"synthetic_v{version.version}_{seed}_{index:06d}.png"
            if not file.exists():
                beside = file.with_suffix(".part")
                beside.write_bytes(encode_png(picture, origin(version, seed, index)))
                beside.replace(file)
            index += 1
            on_picture()
