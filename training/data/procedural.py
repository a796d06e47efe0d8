"""The embedded demonstration set: leaves drawn with NumPy, so that nothing need be downloaded.

Six classes. Shape, veins, colour, pose, lighting and background vary from leaf to leaf
independently of the class; only the lesions tell it. These are drawings: whatever is learnt from
them is no evidence about real leaves, and the set is called synthetic wherever it shows.
"""

import json
import os
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from leafgate.errors import UserError
from leafgate.images import Pixels
from leafgate.strict_json import dump_json
from training.data.leaf_drawing import Picture, blade, light, new_canvas, scenery
from training.data.lesions import LESIONS

SHARES = {
    "healthy": 0.30,
    "blight": 0.20,
    "rust": 0.17,
    "scab": 0.14,
    "powdery_mildew": 0.11,
    "mosaic": 0.08,
}
CLASSES = tuple(SHARES)
RECIPE = 1
ABOUT_FILE = "ABOUT.json"
JPEG_QUALITY = 92


def draw_leaf(class_name: str, rng: np.random.Generator, size: int) -> Pixels:
    """One leaf of the class, (size, size, 3) uint8; two draws differ in all but the class."""
    canvas = new_canvas(size, rng)
    leaf = LESIONS[class_name](blade(canvas), canvas)
    cover = canvas.coverage[..., None]
    picture = cover * leaf + (1 - cover) * scenery(canvas)
    return to_uint8(light(picture, canvas))


def to_uint8(picture: Picture) -> Pixels:
    """Floats in [0, 1] as uint8."""
    return np.clip(np.rint(picture * 255), 0, 255).astype(np.uint8)


def make_leaf_folder(
    out: Path,
    count: int = 900,
    seed: int = 0,
    classes: Sequence[str] = CLASSES,
    size: int = 128,
    on_image: Callable[[], object] = lambda: None,
) -> Path:
    """Draw `count` leaves into `out/<class>/`; the same arguments give the same pictures.

    A finished folder of the same recipe is reused. Raises UserError where `out` holds anything
    else, or a class is unknown.
    """
    unknown = sorted(set(classes) - set(CLASSES))
    if unknown or count < len(classes):
        problem = f"unknown class {unknown[0]!r}" if unknown else f"{count} images are too few"
        raise UserError(problem, f"classes are {', '.join(CLASSES)}; draw at least one of each")
    about: dict[str, Any] = {
        "synthetic": True,
        "what": "procedurally drawn leaves; no photographs",
        "recipe": RECIPE,
        "count": count,
        "seed": seed,
        "size": size,
        "classes": list(classes),
    }
    if _is_finished(out, about):
        return out
    if out.exists() and any(out.iterdir()):
        raise UserError(
            f"{out} holds something else than this set", "choose another folder or remove it"
        )
    _draw_all(out, about, plan(count, classes), on_image)
    return out


def plan(count: int, classes: Sequence[str] = CLASSES) -> list[str]:
    """The class of each of `count` leaves, in field-like shares; at least one a class."""
    weights = np.array([SHARES[name] for name in classes])
    exact = weights / weights.sum() * (count - len(classes))
    numbers = 1 + np.floor(exact).astype(int)
    for index in np.argsort(-(exact % 1), kind="stable")[: count - numbers.sum()]:
        numbers[index] += 1
    return [name for name, number in zip(classes, numbers, strict=True) for _ in range(number)]


def drawn_count(out: Path) -> int | None:
    """How many leaves a finished folder of the whole set holds; None where there is none."""
    try:
        count = json.loads((out / ABOUT_FILE).read_text(encoding="utf-8"))["count"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return count if isinstance(count, int) else None


def _is_finished(out: Path, about: dict[str, Any]) -> bool:
    file = out / ABOUT_FILE
    return file.is_file() and json.loads(file.read_text(encoding="utf-8")) == about


def _draw_all(
    out: Path, about: dict[str, Any], names: list[str], on_image: Callable[[], object]
) -> None:
    beside = out.with_name(f".{out.name}.{os.getpid()}")
    beside.mkdir(parents=True)
    try:
        for name in set(names):
            (beside / name).mkdir()
        draw = partial(_draw_file, beside, about["seed"], about["size"])
        # Spawned, not forked: a forked child of a process with threads may hang.
        with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
            for _ in pool.map(draw, enumerate(names), chunksize=25):
                on_image()
        (beside / ABOUT_FILE).write_text(dump_json(about, indent=2), encoding="utf-8")
        if out.exists():
            out.rmdir()
        beside.rename(out)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _draw_file(folder: Path, seed: int, size: int, leaf: tuple[int, str]) -> None:
    index, name = leaf
    picture = draw_leaf(name, np.random.default_rng([seed, index]), size)
    file = folder / name / f"{name}_{index:05d}.jpg"
    Image.fromarray(picture).save(file, quality=JPEG_QUALITY, comment=b"synthetic leaf drawing")
