"""Moves entries from outboxes to the database: in order, many at a time, until it succeeds.

The database may be away, slow, full, read-only or fail over; entries wait in their file. One that
the database refuses is set aside with the reason, and blocks nobody.
"""

import logging
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from leafgate.errors import UserError
from sql.database import is_reachable
from sql.database_file import file_identity, gone, is_gone
from sql.migrating import migrate
from sql.outbox import Outbox, Waiting
from sql.outbox_folder import orphan
from sql.records import Rows, naive_utc, rows_of
from sql.refusals import is_refused
from sql.rollups import merge_parts, settle
from sql.storing import store

log = logging.getLogger(__name__)

BATCH = 5000
GATHER_SECONDS = 1.0  # that an entry waits for others: a transaction costs as much as many rows
BACK_OFF_SECONDS = (0.1, 0.5, 1.0, 2.0, 5.0)
LOOK_CLOSER_EVERY = 5  # failures
LOOKED_AT = 200  # entries, one by one
STRIKES = 3
CHORES_SECONDS = 60.0
# What an entry that is none, or holds values of wrong kinds, leads to.
OF_THE_ENTRY = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError)
MERGED_HOURS = 3  # back from now; of older ones, those that got rows


@dataclass
class State:
    """How the moving goes. problem: why nothing is stored now; failures: in a row; strikes: against
    an entry that fails while others come in; late: times of rows whose hours are to be merged.
    """

    problem: str | None = None
    failures: int = 0
    strikes: Counter[str] = field(default_factory=Counter)
    late: set[datetime] = field(default_factory=set)


class Mover:
    """One thread. Start it once; `stop` lets it finish what it is at.

    folders: whose orphaned outboxes are emptied too.
    """

    def __init__(self, engine: sa.Engine, outbox: Outbox, *folders: Path) -> None:
        self.engine, self.outbox, self.folders = engine, outbox, folders
        self.state = State()
        self._current = False  # the database's schema
        self._place = file_identity(engine)
        self._hurry = 0
        self._stopping = threading.Event()
        self._next_chores = 0.0
        self._thread = threading.Thread(target=self._run, name="request-log", daemon=True)

    def start(self) -> None:
        """Begin to move."""
        self._thread.start()

    def flush(self, timeout_seconds: float) -> bool:
        """Wait until the outbox is empty; False where it is not in time."""
        self._hurry += 1
        self.outbox.wake()
        try:
            return self.outbox.await_empty(timeout_seconds)
        finally:
            self._hurry -= 1

    def stop(self, timeout_seconds: float) -> None:
        """Move no longer."""
        self._stopping.set()
        self.outbox.wake()
        self._thread.join(timeout_seconds)

    def _run(self) -> None:
        while not self._stopping.is_set():
            until_chores = max(0.0, self._next_chores - time.monotonic())
            self.outbox.await_entries(1, self._stopping.is_set, until_chores)
            self.outbox.await_entries(BATCH, self._is_hurried, GATHER_SECONDS)
            if self.outbox.waiting and not self._stopping.is_set():
                self._try(self.outbox)
            if time.monotonic() >= self._next_chores and not self._stopping.is_set():
                self._do_chores()

    def _is_hurried(self) -> bool:
        return self._hurry > 0 or self._stopping.is_set()

    def _try(self, outbox: Outbox) -> bool:
        """Move one batch; False, after a pause, where that fails."""
        state = self.state
        try:
            self._move(outbox, outbox.first(BATCH))
        except Exception as error:  # noqa: BLE001 - this thread must outlive whatever happens
            pause = BACK_OFF_SECONDS[min(state.failures, len(BACK_OFF_SECONDS) - 1)]
            state.failures += 1
            if state.problem is None:
                log.warning("request log: the database does not take rows (%s)", _short(error))
            state.problem = _short(error)
            outbox.look()  # it holds what the database does not
            self._stopping.wait(pause)
            return False
        if state.problem is not None:
            log.info("request log: the database takes rows again, %d wait", outbox.waiting)
        state.problem, state.failures = None, 0
        return True

    def _move(self, outbox: Outbox, batch: Sequence[Waiting]) -> None:
        if is_gone(self.engine):
            raise gone()
        place = file_identity(self.engine)
        if not self._current or place != self._place:  # another file may have an older schema
            migrate(self.engine)
            self._current, self._place = True, file_identity(self.engine)
        if self.state.failures and self.state.failures % LOOK_CLOSER_EVERY == 0:
            self._one_by_one(outbox, batch)
        else:
            self._divide(outbox, batch)

    def _divide(self, outbox: Outbox, batch: Sequence[Waiting]) -> None:
        """Store the batch; of one that is refused, each half, down to the entry at fault."""
        try:
            self._store(batch)
        except Exception as error:
            if not is_refusal(error):
                raise
            if len(batch) == 1:
                self._set_aside(outbox, batch[0], error)
                return
            middle = len(batch) // 2
            self._divide(outbox, batch[:middle])
            self._divide(outbox, batch[middle:])
            return
        outbox.remove(batch)

    def _one_by_one(self, outbox: Outbox, batch: Sequence[Waiting]) -> None:
        """Find an entry that fails without being refused: others come in after it, again and again.

        Raises the last error where the newest that was tried did not come in.
        """
        if not is_reachable(self.engine):
            raise ConnectionError("the database does not answer")
        failed: dict[Waiting, Exception] = {}
        last: Exception | None = None
        for entry in batch[:LOOKED_AT]:
            try:
                self._store([entry])
            except Exception as error:  # noqa: BLE001 - told apart below
                failed[entry] = last = error
                continue
            last = None
            outbox.remove([entry])
            for other in list(failed):
                name = f"{outbox.file} {other.number}"
                self.state.strikes[name] += 1
                if self.state.strikes[name] >= STRIKES:
                    self._set_aside(outbox, other, failed.pop(other))
            if self._stopping.is_set():
                break
        if last is not None:
            raise last

    def _set_aside(self, outbox: Outbox, entry: Waiting, error: Exception) -> None:
        log.error(
            "request log: entry %d of %s is set aside, the database refuses it (%s)",
            *(entry.number, outbox.file, _short(error)),
        )
        outbox.set_aside(entry, str(error))

    def _store(self, batch: Sequence[Waiting]) -> None:
        rows = [rows_of(entry.body) for entry in batch]
        store(self.engine, rows)
        self._note_late(rows)

    def _note_late(self, entries: Sequence[Rows]) -> None:
        border = _hours_ago(MERGED_HOURS)
        for entry in entries:
            for row in entry.get("requests", ()):
                if row["at_utc"] < border:
                    self.state.late.add(row["at_utc"])

    def _do_chores(self) -> None:
        """Merge hourly counts, sum up days that are over, and move what dead processes left."""
        self._next_chores = time.monotonic() + CHORES_SECONDS
        self.outbox.look()
        if (self.state.problem or not self._current) and not self._try_current():
            return
        try:
            since = min((_hours_ago(MERGED_HOURS), *self.state.late))
            merge_parts(self.engine, since.replace(minute=0, second=0, microsecond=0))
            settle(self.engine, _hours_ago(MERGED_HOURS))
            self.state.late.clear()
            self._empty_an_orphan()
        except Exception as error:  # noqa: BLE001 - this thread must outlive whatever happens
            log.warning("request log: chores left for later (%s)", _short(error))

    def _try_current(self) -> bool:
        try:
            migrate(self.engine)
        except Exception:  # noqa: BLE001 - it is told where rows wait
            return False
        self._current = True
        return True

    def _empty_an_orphan(self) -> None:
        with orphan(*self.folders) as left:
            if left is None:
                return
            log.warning("request log: %d entries were left in %s", left.waiting, left.file)
            while left.waiting and not self._stopping.is_set() and self._try(left):
                if self.outbox.waiting >= BATCH:
                    self._try(self.outbox)
        self._next_chores = 0.0  # there may be another one


def is_refusal(error: Exception) -> bool:
    """Whether the entry is at fault, rather than the way to the database."""
    if isinstance(error, DBAPIError):
        return is_refused(error)
    return not isinstance(error, OSError | UserError | PoolTimeoutError) and (
        isinstance(error, (StatementError, *OF_THE_ENTRY))
    )


def _hours_ago(hours: int) -> datetime:
    return naive_utc(datetime.now(UTC) - timedelta(hours=hours))


def _short(error: Exception) -> str:
    return str(getattr(error, "orig", None) or error).partition("\n")[0][:300]
