"""From an image's bytes to a diagnosis: read off the event loop, queued, judged, written down.

A share of the images can go to the version in staging too: instead of production (canary) or beside
it (shadow, see there). Staging never fails an answer: where it cannot give one, production does.
"""

import asyncio
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from fastapi import Request, UploadFile

from leafgate.errors import ImageError, UserError
from leafgate.images import OpenedImage, Pixels, resized
from registry import DIGEST_TAG, TTA_VIEWS, Prediction
from serving.batching import EngineFailed, Retired, WaitedTooLong
from serving.decode_budget import Expected
from serving.decoding import Opened, image_cost
from serving.facts import ImageFacts, Lane
from serving.hanging_up import results_unless_gone
from serving.live import LiveClassifier
from serving.state import AppState

SHADOW = "\0shadow"  # as a user of the budget for decoding: no name can be like it
Result = TypeVar("Result")
TRIES = 5  # a version can be retired between reading an image and queueing it


@dataclass
class Asked:
    """One image to classify. tta: averaged over eight positions, whatever the model's own way.

    opened: the file with its header read, or why it cannot be decoded; user: whose turn it takes;
    expected: its place in what is reckoned to be decoded.
    request: of the caller, to notice that they have hung up; None: somebody else does.
    """

    file_name: str | None
    data: bytes
    sha256: str
    opened: Opened
    user: str
    tta: bool = False
    request: Request | None = None
    expected: Expected | None = None

    def work(self, wanted_size: int | None) -> int:
        """What decoding takes; nothing where it cannot be decoded."""
        return 0 if isinstance(self.opened, ImageError) else self.opened.header.work(wanted_size)

    def require_opened(self) -> OpenedImage:
        """Raise ImageError where it cannot be decoded."""
        if isinstance(self.opened, ImageError):
            raise self.opened
        return self.opened

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


async def opened_image(
    state: AppState, user: str, file: UploadFile, tta: bool = False, request: Request | None = None
) -> Asked:
    """With the hash that receipts name, and its header read."""
    data = await file.read()
    await file.close()  # it would stay in a temporary file, or in memory, until the answer
    sha256, opened = await state.decoding.open(data, state.models.image_size)
    return Asked(file.filename, data, sha256, opened, user, tta, request)


def cost_of_image(state: AppState, image: Asked, runs: int) -> int:
    """What it costs of its user's limit. runs: of the network, that it is classified by."""
    return runs + image_cost(image.opened, state.models.image_size)


@contextmanager
def room_for(state: AppState, images: Sequence[Asked], work: int = 0) -> Iterator[None]:
    """Count the images as about to be decoded. work: of each, beyond decoding.

    Raises TryLater where so much is being decoded that they would wait too long.
    """
    size, user = state.models.image_size, images[0].user
    works = [image.work(size) + work for image in images]
    state.decoding.require_room(user, works)
    for image, each in zip(images, works, strict=True):
        image.expected = state.decoding.budget.expect(user, each)
    try:
        yield
    finally:
        for image in images:
            if image.expected is not None:
                image.expected.end()


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
        room = len(found.live.batcher) == 0 and not state.decoding.budget.waiting
        state.shadows.cast(staging, facts, room, partial(_by_shadow, state, staging, image))
    return found


async def _by_shadow(
    state: AppState, staging: LiveClassifier, image: Asked, facts: ImageFacts
) -> Prediction:
    unseen = replace(image, user=SHADOW, request=None, expected=None)
    found = await _judge(state, staging, unseen, "shadow")
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
        futures = live.batcher.submit(views, image.user)
        found = await results_unless_gone(futures, image.request if waits else None)
    except EngineFailed:
        live.tally.failed()
        raise
    prediction = live.answer(found)
    live.tally.answered(prediction.unknown)
    return Classified(prediction, live, lane)


async def _read(state: AppState, live: LiveClassifier, image: Asked) -> list[Pixels]:
    """The image as the network sees it, decoded by another thread when it is its turn."""
    size, opened = live.model.description.image_size, image.require_opened()

    def read() -> list[Pixels]:
        started = time.perf_counter()
        views = live.model.views_of(resized(opened.read(wanted_size=size), size), image.views)
        state.metrics.stage("decode", time.perf_counter() - started)
        state.uploads.keep(image.sha256, image.data)
        return views

    return await decoded(state, image, image.work(size), read)


async def decoded(state: AppState, image: Asked, work: int, job: Callable[[], Result]) -> Result:
    """What `job` reads of the image. Raises ClientDisconnect where it waits and its caller leaves.

    work: that the job takes.
    """
    if image.request is None or not state.decoding.budget.would_wait(work):
        return await state.decoding.run(image.user, work, job, image.expected)
    reading = asyncio.ensure_future(state.decoding.run(image.user, work, job, image.expected))
    (result,) = await results_unless_gone([reading], image.request)
    return result


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
