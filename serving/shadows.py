"""The version in staging answers too, unseen: its answer is a row of its own, beside the real one.

It gets its turn when the answer is ready, only while nothing waits for production, and a few at a
time; what finds no room is counted and let go.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from leafgate.errors import UserError
from registry import Prediction
from serving.facts import ImageFacts
from serving.live import LiveClassifier
from serving.metrics import Metrics
from sql import Entry, RequestLog

log = logging.getLogger(__name__)

MOST_AT_ONCE = 4
Judge = Callable[[ImageFacts], Awaitable[Prediction]]


class Shadows:
    """The shadows on their way: an event loop by itself would forget them."""

    def __init__(self, request_log: RequestLog, metrics: Metrics) -> None:
        self._log, self._metrics = request_log, metrics
        self._tasks: set[asyncio.Task[None]] = set()

    def cast(self, staging: LiveClassifier, answered: ImageFacts, room: bool, judge: Judge) -> None:
        """Have `judge` fill in facts for what was answered already. room: nothing else waits."""
        version = staging.version
        if not room or len(self._tasks) >= MOST_AT_ONCE:
            self._metrics.shadowed(version.name, version.version, "skipped")
            return
        task = asyncio.create_task(self._run(staging, answered, judge))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, staging: LiveClassifier, answered: ImageFacts, judge: Judge) -> None:
        facts = answered.shadow()
        status, outcome = 200, "same"
        try:
            prediction = await judge(facts)
            outcome = "same" if prediction.class_name == answered.class_name else "different"
        except Exception as error:  # noqa: BLE001 - a shadow's trouble is nobody's but its own
            status, outcome = 500, "failed"
            facts.error_code = error.code if isinstance(error, UserError) else "internal_error"
            log.warning("the shadow of %s failed: %s", staging.version, error)
        self._metrics.shadowed(staging.version.name, staging.version.version, outcome)
        self._log.record(Entry(predictions=(facts.record(status),)))
