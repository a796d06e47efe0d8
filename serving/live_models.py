"""The models that answer, followed by a thread: production of both, `staging` by setting.

It looks every few seconds, or at once when told to; in between it watches over promotions that are
still in their bake time.
"""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

from leafgate.audit import AuditTrail
from leafgate.settings import Settings
from registry import (
    PRODUCTION,
    STAGING,
    TTA_VIEWS,
    InProduction,
    InStaging,
    LocalCopies,
    ModelVersion,
    VerifiedChain,
    alias_reader,
)
from serving.admission import Admission
from serving.bake import Bounds
from serving.live import LiveClassifier, LiveGenerator, Starter
from serving.metrics import Metrics
from serving.moves import Moves
from serving.slots import Slot, Sources
from serving.taking_back import take_back

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0  # between looks at a bake time


class LiveModels:
    """The classifier and the generator in production, and the classifier in staging if asked.

    Each production slot has an admission: how many images are under way to it.
    """

    def __init__(
        self,
        settings: Settings,
        trail: AuditTrail,
        metrics: Metrics,
        moves: Moves,
        decode_wait: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self.settings, self._moves = settings, moves
        reader, copies = alias_reader(settings), LocalCopies(settings)
        start = Starter(settings, metrics)
        bounds = Bounds.of(settings)
        chains = {
            name: VerifiedChain(name, settings, trail, partial(reader.audit_tags, name))
            for name in settings.model_names
        }

        def in_production(name: str) -> InProduction:
            return InProduction(name, reader, copies, chains[name])

        self.classifier: Slot[LiveClassifier] = Slot(
            settings.classifier_name,
            PRODUCTION,
            Sources(in_production(settings.classifier_name), copies, start.classifier),
            metrics,
            bounds,
        )
        self.generator: Slot[LiveGenerator] = Slot(
            settings.generator_name,
            PRODUCTION,
            Sources(in_production(settings.generator_name), copies, start.generator),
            metrics,
            bounds,
        )
        self.staging: Slot[LiveClassifier] | None = None
        if settings.staging_mode != "off":
            name = settings.classifier_name
            is_shown = settings.staging_mode == "canary"
            follows = InStaging(name, reader, copies, chains[name], is_shown)
            sources = Sources(follows, copies, start.classifier)
            unwatched = replace(bounds, minutes=0)
            self.staging = Slot(settings.classifier_name, STAGING, sources, metrics, unwatched)
        self.to_classify = self._admission(self.classifier, decode_wait)
        self.to_generate = self._admission(self.generator, lambda: 0.0)
        self.looked = threading.Event()
        self._wake, self._stopping, self._one = threading.Event(), False, threading.Lock()
        self._thread = threading.Thread(target=self._run, name="live-models", daemon=True)

    def _admission(
        self,
        slot: "Slot[LiveClassifier] | Slot[LiveGenerator]",
        before: Callable[[], float],
    ) -> Admission:
        def pace() -> float:
            live = slot.live
            return 0.0 if live is None else live.batcher.pace / live.batcher.lanes

        most = self.settings.max_queue, self.settings.max_wait_seconds
        return Admission(*most, pace, before)

    def work_of(self, images: int, tta: bool = False) -> int:
        """Runs of the network that so many images to classify come to."""
        live = self.classifier.live
        usual = 1 if live is None else live.model.views
        return images * (TTA_VIEWS if tta else usual)

    @property
    def image_size(self) -> int | None:
        """Pixels of the square that the classifier in production sees; None: there is none."""
        live = self.classifier.live
        return None if live is None else live.model.description.image_size

    @property
    def problems(self) -> int:
        """Models whose newest version does not answer."""
        return sum(slot.problem is not None for slot in self._slots)

    @property
    def _slots(self) -> "list[Slot[LiveClassifier] | Slot[LiveGenerator]]":
        staging = [self.staging] if self.staging is not None else []
        return [self.classifier, self.generator, *staging]

    def start(self) -> None:
        """Begin to follow the registry."""
        self._thread.start()

    def stop(self) -> None:
        """Stop following; what is live stays usable."""
        self._stopping = True
        self._wake.set()

    def refresh(self) -> None:
        """Look at the registry now."""
        with self._one, ThreadPoolExecutor(3) as pool:  # what must be fetched is, side by side
            for done in [pool.submit(slot.refresh) for slot in self._slots]:
                done.result()
        self.looked.set()

    def judge(self) -> None:
        """Look after the promotions that are still watched."""
        for slot in (self.classifier, self.generator):
            with self._one:
                found = slot.judge()
            if found is not None:
                version, verdict = found
                self._record(version, verdict.reason)

    def _record(self, version: ModelVersion, reason: str) -> None:
        """Move the alias back too."""
        problem = take_back(self._moves, version, f"taken back by the service: {reason}")
        if problem:
            log.error("%s was taken back here, but not in the registry: %s", version, problem)

    def _run(self) -> None:
        while not self._stopping:
            self.refresh()
            due = time.monotonic() + self.settings.model_poll_seconds
            while not self._stopping and (left := due - time.monotonic()) > 0:
                if self._wake.wait(min(left, LOOK_SECONDS)):
                    break
                self.judge()
            self._wake.clear()
