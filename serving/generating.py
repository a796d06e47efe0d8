"""Pictures from the generator in production: many requests share its batches.

Picture k of a seed is the same whoever asks for it, alone or among a thousand, so a long series is
made piece by piece and never held whole.
"""

import asyncio
import hashlib
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from fastapi import Request

from leafgate.errors import UserError
from leafgate.images import Pixels, encode_png
from registry import DIGEST_TAG, MAX_SEED, latents, origin
from serving.batching import EngineFailed, Retired
from serving.facts import Facts, GenerationFacts
from serving.hanging_up import results_unless_gone
from serving.live import Latent, LiveGenerator
from serving.state import AppState

PIECE = 32


@dataclass(frozen=True)
class Series:
    """Pictures 0 to n of a seed. asked: the class that was asked for; None: all in turn."""

    live: LiveGenerator
    n: int
    seed: int
    asked: str | None

    def origin(self, class_name: str | None, index: int | None = None) -> dict[str, str]:
        """Text chunks of one picture, or of them all."""
        version = self.live.version
        named = {"model": version.name, "version": str(version.version)}
        return origin(named, self.seed, class_name, index)


@dataclass(frozen=True)
class Piece:
    """Some pictures of a series. images: each (size, size, channels) uint8, with its class."""

    series: Series
    indices: range
    images: list[Pixels]
    class_names: list[str | None]

    def pngs(self) -> list[bytes]:
        """Each as a PNG that says in its text chunks that it is synthetic."""
        told = zip(self.indices, self.images, self.class_names, strict=True)
        return [encode_png(image, self.series.origin(name, k)) for k, image, name in told]


@dataclass
class Made:
    """What was made of a series so far, for its row and a replay."""

    facts: Facts
    _hash: Any = field(default_factory=hashlib.sha256)

    def add(self, piece: Piece) -> None:
        """Count a piece in."""
        for image in piece.images:
            self._hash.update(np.ascontiguousarray(image).data)
        self.facts.images += len(piece.images)
        if self.facts.generation is not None:
            self.facts.generation.made = self.facts.images
            self.facts.generation.output_sha256 = self._hash.hexdigest()


def begin_series(
    state: AppState, facts: Facts, n: int, seed: int | None, class_name: str | None
) -> Series:
    """Fix the version, the seed and the class. Raises UserError for a class it does not know."""
    live = state.models.generator.require()
    live.model.require_class(class_name)
    drawn = secrets.randbelow(MAX_SEED + 1) if seed is None else seed
    version = live.version
    facts.model_name, facts.model_version = version.name, version.version
    facts.generation = GenerationFacts(
        model_name=version.name,
        model_version=version.version,
        artifact_digest=version.tags.get(DIGEST_TAG),
        engine=live.model.engine.name,
        asked=n,
        seed=drawn,
        class_name=class_name,
    )
    return Series(live, n, drawn, class_name)


async def pieces(
    state: AppState, series: Series, made: Made, request: Request | None
) -> AsyncIterator[Piece]:
    """The series, up to 32 pictures at a time."""
    for first in range(0, series.n, PIECE):
        piece = await _piece(state, series, range(first, min(first + PIECE, series.n)), request)
        made.add(piece)
        yield piece


async def whole_series(
    state: AppState, series: Series, facts: Facts, request: Request
) -> list[Piece]:
    """All pieces, while their pictures count as under way."""
    with state.models.to_generate.admit(series.n):
        return [piece async for piece in pieces(state, series, Made(facts), request)]


async def _piece(state: AppState, series: Series, indices: range, request: Request | None) -> Piece:
    model, batcher = series.live.model, series.live.batcher
    names = [model.class_of(index, series.asked) for index in indices]
    loop = asyncio.get_running_loop()
    draw = partial(latents, indices, series.seed, model.description.latent_size)
    latent = await loop.run_in_executor(state.decoders, draw)
    asked = [Latent(row, name) for row, name in zip(latent, names, strict=True)]
    try:
        waits = len(batcher) > 0
        images = await results_unless_gone(batcher.submit(asked), request if waits else None)
    except Retired:  # swapped away twice meanwhile: the series is finished as it was begun
        images = list(await loop.run_in_executor(state.decoders, model.run, latent, names))
    except EngineFailed:
        series.live.tally.failed()
        raise
    series.live.tally.answered(unknown=False)
    return Piece(series, indices, images, names)


def check_number(n: int, seed: int | None, most: int) -> None:
    """Raises UserError `out_of_range` naming the value and its bounds."""
    if not 1 <= n <= most:
        raise UserError(f"n={n}", f"ask for 1 to {most} images", code="out_of_range")
    if seed is not None and not 0 <= seed <= MAX_SEED:
        raise UserError(f"seed={seed}", f"use 0 to {MAX_SEED}", code="out_of_range")
