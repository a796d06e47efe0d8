"""Which answer somebody corrects: looked up in the log's database, without waiting for it long.

An answer reaches the database a little after its caller. So an id that is not there yet is believed
while it is young enough to be on its way, and every id while the database does not answer.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, NamedTuple

from leafgate.errors import UserError
from sql import GenerationRecord, PredictionRecord, RequestRecord, find_answer, find_prediction

log = logging.getLogger(__name__)

WAIT_SECONDS = 2.0
AT_A_TIME = 2
GRACE_SECONDS = 60.0  # beyond the oldest entry that is known to wait


class Asked(NamedTuple):
    """An id to look up, and who waits for it."""

    identifier: str
    future: "Future[PredictionRecord | None]"


class Corrections:
    """database: a SQLAlchemy engine; backlog_seconds: how long the oldest entry waits for it, asked
    by another thread. Close it in the end.
    """

    def __init__(
        self,
        database: Any,  # noqa: ANN401
        backlog_seconds: Callable[[], float],
        wait_seconds: float = WAIT_SECONDS,
    ) -> None:
        self.database, self._backlog_seconds = database, backlog_seconds
        self._wait_seconds = wait_seconds
        self._asked: SimpleQueue[Asked | None] = SimpleQueue()
        for _ in range(AT_A_TIME):  # not an executor: one that hangs must not hold up the exit
            threading.Thread(target=self._run, name="corrections", daemon=True).start()

    async def told(self, identifier: str) -> PredictionRecord | None:
        """What was answered under that id; None: that cannot be said now, but it may be one.

        Raises UserError `no_such_request`.
        """
        future: Future[PredictionRecord | None] = Future()
        self._asked.put(Asked(identifier, future))
        try:
            return await asyncio.wait_for(asyncio.wrap_future(future), self._wait_seconds)
        except TimeoutError:
            log.warning("feedback: the database does not answer")
            return None

    def close(self) -> None:
        """Look up no more."""
        for _ in range(AT_A_TIME):
            self._asked.put(None)

    def _run(self) -> None:
        while (asked := self._asked.get()) is not None:
            if not asked.future.set_running_or_notify_cancel():
                continue  # nobody waits for it any longer
            try:
                asked.future.set_result(self._look(asked.identifier))
            except Exception as error:  # noqa: BLE001 - it is raised where it was asked
                asked.future.set_exception(error)

    def _look(self, identifier: str) -> PredictionRecord | None:
        try:
            found = self._find(identifier)
            if found is None:
                if is_young(identifier, self._backlog_seconds() + GRACE_SECONDS):
                    return None
                found = self._find(identifier)  # it may have left the backlog before that was asked
        except Exception as error:  # noqa: BLE001 - whatever a database that is away may raise
            log.warning("feedback: the database cannot be asked (%s)", error)
            return None
        if isinstance(found, PredictionRecord) and _is_an_answer(found):
            return found
        raise UserError(
            f"no image was diagnosed under {identifier}",
            "send the request_id of an answer of /predict or /explain, or the id of an item of "
            "/predict/batch",
            code="no_such_request",
        )

    def _find(self, identifier: str) -> PredictionRecord | GenerationRecord | RequestRecord | None:
        found = find_answer(self.database, identifier)
        if isinstance(found, RequestRecord):  # its images came with it, perhaps just now
            return find_prediction(self.database, identifier) or found
        return found


def _is_an_answer(found: PredictionRecord) -> bool:
    """Whether a caller was told a class: not of what cannot be read, nor of what a shadow said."""
    return found.class_name is not None and found.lane != "shadow"


def is_young(identifier: str, seconds: float, now: float | None = None) -> bool:
    """Whether a UUIDv7, which begins with its time in ms, was made in the last `seconds`.

    A clock elsewhere may be ahead by as much as `GRACE_SECONDS`.
    """
    made = int(identifier.replace("-", "")[:12], 16) / 1000
    age = (time.time() if now is None else now) - made
    return -GRACE_SECONDS <= age <= seconds
