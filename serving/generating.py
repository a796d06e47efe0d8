"""Pictures from the generator in production: many requests share its batches.

Picture k of a seed is the same whoever asks for it, alone or among a thousand, so a long series is
made piece by piece and never held whole.
"""

import asyncio
import hashlib
import secrets
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from fastapi import Request
from numpy.typing import NDArray

from leafgate.errors import UserError
from leafgate.images import Pixels, encode_png
from registry import (
    DIGEST_TAG,
    FEWEST_STEPS,
    MAX_SEED,
    MOST_STEPS,
    Prediction,
    latents,
    latents_between,
    origin,
)
from serving.batching import EngineFailed, Retired
from serving.facts import Facts, GenerationFacts
from serving.hanging_up import results_unless_gone
from serving.live import Latent, LiveGenerator
from serving.readings import Reader, begin_reading
from serving.state import AppState

PIECE = 32


@dataclass(frozen=True)
class Wanted:
    """What is asked for. seed: None has one drawn; class_name: None means all in turn.

    to_seed: `n` pictures on the way there from `seed`, instead of the first `n` of `seed`;
    readings: whether the classifier in production says what it sees in each.
    """

    n: int
    seed: int | None = None
    class_name: str | None = None
    to_seed: int | None = None
    readings: bool = False


@dataclass(frozen=True)
class Series:
    """Pictures 0 to n of a seed, or on the way from one to another, which are of one class.

    asked: the class that was asked for; reader: None where nobody reads them.
    """

    live: LiveGenerator
    n: int
    seed: int
    asked: str | None
    to_seed: int | None = None
    reader: Reader | None = None
    user: str = ""

    @property
    def name(self) -> str:
        """How its files are called."""
        way = "" if self.to_seed is None else f"-{self.to_seed}"
        return f"synthetic_{self.seed}{way}"

    def origin(self, class_name: str | None, index: int | None = None) -> dict[str, str]:
        """Text chunks of one picture, or of them all."""
        version = self.live.version
        named = {"model": version.name, "version": str(version.version)}
        if self.to_seed is None:
            return origin(named, self.seed, class_name, index)
        way = {"to_seed": str(self.to_seed), "steps": str(self.n)}
        step = {} if index is None else {"step": str(index)}
        return {**origin(named, self.seed, class_name), **way, **step}

    def class_names(self, indices: range) -> list[str | None]:
        """Of these pictures."""
        class_of = self.live.model.class_of
        return [class_of(0 if self.to_seed is not None else k, self.asked) for k in indices]

    def latents(self, indices: range) -> NDArray[np.float32]:
        """What these pictures come from, (len(indices), latent_size)."""
        size = self.live.model.description.latent_size
        if self.to_seed is None:
            return latents(indices, self.seed, size)
        return latents_between(indices, self.n, self.seed, self.to_seed, size)


@dataclass(frozen=True)
class Piece:
    """Some pictures of a series. images: each (size, size, channels) uint8, with its class.

    readings: one a picture, None where there is none.
    """

    series: Series
    indices: range
    images: list[Pixels]
    class_names: list[str | None]
    readings: list[Prediction | None]

    def pngs(self) -> list[bytes]:
        """Each as a PNG that says in its text chunks that it is synthetic."""
        told = zip(self.indices, self.images, self.class_names, strict=True)
        return [encode_png(image, self.series.origin(name, k)) for k, image, name in told]


@dataclass
class Made:
    """What was made of a series so far, for its row and a replay."""

    facts: Facts
    _hash: Any = field(default_factory=hashlib.sha256)

    def read(self, readings: Sequence[Prediction | None]) -> None:
        """Count in what was read in the next pictures; None: nothing."""
        if self.facts.generation is not None:
            for each in readings:
                if each is not None:
                    self.facts.generation.readings.add(
                        each.class_name, each.confidence, each.unknown
                    )

    def add(self, images: list[Pixels]) -> None:
        """Count the next pictures in."""
        for image in images:
            self._hash.update(np.ascontiguousarray(image).data)
        self.facts.images += len(images)
        if self.facts.generation is not None:
            self.facts.generation.made = self.facts.images
            self.facts.generation.output_sha256 = self._hash.hexdigest()


def begin_series(state: AppState, facts: Facts, wanted: Wanted) -> Series:
    """Fix the versions, the seed and the class.

    Raises UserError for a class it does not know, and what `begin_reading` does.
    """
    live = state.models.generator.require()
    class_name = live.model.known_class(wanted.class_name)
    user = facts.user_name or ""
    reader = begin_reading(state, user) if wanted.readings else None
    drawn = secrets.randbelow(MAX_SEED + 1) if wanted.seed is None else wanted.seed
    version = live.version
    facts.model_name, facts.model_version = version.name, version.version
    facts.generation = GenerationFacts(
        model_name=version.name,
        model_version=version.version,
        artifact_digest=version.tags.get(DIGEST_TAG),
        engine=live.model.engine.name,
        asked=wanted.n,
        seed=drawn,
        class_name=class_name,
        to_seed=wanted.to_seed,
        reader_name=reader.live.version.name if reader else None,
        reader_version=reader.live.version.version if reader else None,
    )
    return Series(live, wanted.n, drawn, class_name, wanted.to_seed, reader, user)


async def pieces(
    state: AppState, series: Series, made: Made, request: Request | None
) -> AsyncIterator[Piece]:
    """The series, up to 32 pictures at a time."""
    for first in range(0, series.n, PIECE):
        indices = range(first, min(first + PIECE, series.n))
        names = series.class_names(indices)
        images = await _images(state, series, indices, names, request)
        made.add(images)
        readings: list[Prediction | None] = [None] * len(images)
        if series.reader is not None:
            readings = await series.reader.read(state, images, request)
            made.read(readings)
        yield Piece(series, indices, images, names, readings)


async def whole_series(
    state: AppState, series: Series, facts: Facts, request: Request
) -> list[Piece]:
    """All pieces, while their pictures count as under way."""
    with state.models.to_generate.admit(series.n, series.user):
        return [piece async for piece in pieces(state, series, Made(facts), request)]


async def _images(
    state: AppState,
    series: Series,
    indices: range,
    names: list[str | None],
    request: Request | None,
) -> list[Pixels]:
    model, batcher = series.live.model, series.live.batcher
    loop = asyncio.get_running_loop()
    latent = await loop.run_in_executor(state.decoders, series.latents, indices)
    asked = [Latent(row, name) for row, name in zip(latent, names, strict=True)]
    try:
        waits = len(batcher) > 0
        futures = batcher.submit(asked, series.user)
        images = await results_unless_gone(futures, request if waits else None)
    except Retired:  # swapped away twice meanwhile: the series is finished as it was begun
        images = list(await loop.run_in_executor(state.decoders, model.run, latent, names))
    except EngineFailed:
        series.live.tally.failed()
        raise
    series.live.tally.answered(unknown=False)
    return images


def require_bounds(wanted: Wanted, most: int) -> None:
    """Raises UserError `out_of_range` naming the value and its bounds. most: pictures."""
    on_the_way = wanted.to_seed is not None
    fewest, most = (FEWEST_STEPS, min(most, MOST_STEPS)) if on_the_way else (1, most)
    if not fewest <= wanted.n <= most:
        where = f" from one seed to another (to_seed={wanted.to_seed})" if on_the_way else ""
        fix = f"ask for {fewest} to {most} images"
        raise UserError(f"n={wanted.n}{where}", fix, code="out_of_range")
    for name, seed in (("seed", wanted.seed), ("to_seed", wanted.to_seed)):
        if seed is not None and not 0 <= seed <= MAX_SEED:
            raise UserError(f"{name}={seed}", f"use 0 to {MAX_SEED}", code="out_of_range")
