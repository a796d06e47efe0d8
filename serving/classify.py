"""From an image's bytes to a diagnosis: read off the event loop, queued, judged, written down.

A share of the images can go to the version in staging too: instead of production (canary) or beside
it (shadow, see there). Staging never fails an answer: where it cannot give one, production does.
"""

import asyncio
import hashlib
import random
import time
from dataclasses import dataclass, replace
from functools import partial

from fastapi import Request

from leafgate.errors import UserError
from leafgate.images import Pixels, decode
from registry import DIGEST_TAG, TTA_VIEWS, Prediction
from serving.batching import EngineFailed, Retired, WaitedTooLong
from serving.facts import ImageFacts, Lane
from serving.hanging_up import results_unless_gone
from serving.live import LiveClassifier
from serving.state import AppState

HASHED_AT_ONCE = 2**18  # bytes, which take a quarter of a millisecond
TRIES = 5  # a version can be retired between reading an image and queueing it


@dataclass(frozen=True)
class Asked:
    """One image to classify. tta: averaged over eight positions, whatever the model's own way.

    request: of the caller, to notice that they have hung up; None: somebody else does.
    """

    data: bytes
    sha256: str
    tta: bool = False
    request: Request | None = None

    @property
    def views(self) -> int | None:
        """Positions to average; None: as the model was stored."""
        return TTA_VIEWS if self.tta else None


@dataclass(frozen=True)
class Classified:
    """One image's answer, and who gave it."""

    prediction: Prediction
    live: LiveClassifier
    lane: Lane


async def asked(
    state: AppState, data: bytes, tta: bool = False, request: Request | None = None
) -> Asked:
    """With the hash that receipts name; of a large file it is taken by another thread."""
    if len(data) <= HASHED_AT_ONCE:
        return Asked(data, _sha256(data), tta, request)
    loop = asyncio.get_running_loop()
    return Asked(data, await loop.run_in_executor(state.decoders, _sha256, data), tta, request)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


async def classify(state: AppState, facts: ImageFacts, image: Asked) -> Classified:
    """The answer for one image; it is noted in `facts`.

    Raises ImageError for bytes that are no image, UserError where nothing is being served.
    """
    facts.sha256 = image.sha256
    staging, found = _drawn_for_staging(state), None
    if staging is not None and state.settings.staging_mode == "canary":
        found = await _by_canary(state, staging, image)
    found = found or await _by_production(state, image)
    note(facts, found, image)
    if staging is not None and state.settings.staging_mode == "shadow":
        room = len(found.live.batcher) == 0
        state.shadows.cast(staging, facts, room, partial(_by_shadow, state, staging, image))
    return found


async def _by_shadow(
    state: AppState, staging: LiveClassifier, image: Asked, facts: ImageFacts
) -> Prediction:
    found = await _judge(state, staging, replace(image, request=None), "shadow")
    note(facts, found, image)
    return found.prediction


def _drawn_for_staging(state: AppState) -> LiveClassifier | None:
    """The version in staging, where one is asked for and this image is among its share."""
    slot = state.models.staging
    if slot is None or slot.live is None or random.random() >= state.settings.staging_share:  # noqa: S311 - a share
        return None
    return slot.live


async def _by_canary(state: AppState, staging: LiveClassifier, image: Asked) -> Classified | None:
    """Staging's answer, unless it is busy or at fault."""
    if len(staging.batcher) >= staging.batcher.lanes:
        return None
    try:
        return await _judge(state, staging, image, "canary")
    except (EngineFailed, WaitedTooLong, Retired):
        return None


async def _by_production(state: AppState, image: Asked) -> Classified:
    for _ in range(TRIES):
        try:
            return await _judge(state, state.models.classifier.require(), image, "production")
        except Retired:
            continue
    raise UserError("the model changes too often", "try again", code="no_production_model")


async def _judge(state: AppState, live: LiveClassifier, image: Asked, lane: Lane) -> Classified:
    """Read the image for this version, wait for its engine, and count how it went."""
    views = await _read(state, live, image)
    waits = len(live.batcher) > 0
    try:
        futures = live.batcher.submit(views)
        found = await results_unless_gone(futures, image.request if waits else None)
    except EngineFailed:
        live.tally.failed()
        raise
    prediction = live.answer(found)
    live.tally.answered(prediction.unknown)
    return Classified(prediction, live, lane)


async def _read(state: AppState, live: LiveClassifier, image: Asked) -> list[Pixels]:
    """The image as the network sees it, decoded by another thread."""
    model = live.model

    def read() -> list[Pixels]:
        started = time.perf_counter()
        pixels = decode(image.data, state.image_limits, wanted_size=model.description.image_size)
        views = model.views_of(pixels, image.views)
        state.metrics.stage("decode", time.perf_counter() - started)
        state.uploads.keep(image.sha256, image.data)
        return views

    return await asyncio.get_running_loop().run_in_executor(state.decoders, read)


def note(facts: ImageFacts, found: Classified, image: Asked) -> None:
    """All that the log, and a replay, need to know of an answer."""
    version, prediction = found.live.version, found.prediction
    facts.sha256, facts.lane = image.sha256, found.lane
    facts.model_name, facts.model_version = version.name, version.version
    facts.artifact_digest = version.tags.get(DIGEST_TAG)
    facts.engine = found.live.model.engine.name
    facts.class_name, facts.confidence = prediction.class_name, prediction.confidence
    facts.unknown, facts.unknown_score = prediction.unknown, prediction.unknown_score
    facts.top, facts.tta = prediction.top, image.tta
