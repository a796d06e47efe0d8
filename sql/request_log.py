"""The request log's writer: callers never wait for the database, and an outage loses nothing.

Records queue in memory; one thread writes them in batches, in order, idempotently by id, and keeps
trying while the database is away. Closing flushes. What is still queued is lost by kill -9 or a
power cut: there is no outbox on disk yet.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, StatementError

from sql.schema import requests

log = logging.getLogger(__name__)

BATCH = 500
GATHER_SECONDS = 0.1  # that a record waits for others: a transaction for each costs as much as it
BACK_OFF_SECONDS = (0.1, 0.5, 1.0, 2.0, 5.0)


@dataclass(frozen=True, kw_only=True)
class RequestRecord:
    """One request as it is stored. at_utc: aware, in UTC; sha256: of the uploaded bytes, hex.

    lane: production, canary or shadow; part_of: the request that an image of several, or a shadow,
    belongs to; parameters: what was asked, as JSON; output_sha256: of generated pixels, in order.
    """

    id: str
    at_utc: datetime
    method: str
    endpoint: str
    status: int
    latency_ms: float
    user_name: str | None = None
    source: str | None = None
    images: int = 0
    file_name: str | None = None
    sha256: str | None = None
    model_name: str | None = None
    model_version: int | None = None
    class_name: str | None = None
    confidence: float | None = None
    error_code: str | None = None
    artifact_digest: str | None = None
    engine: str | None = None
    lane: str | None = None
    part_of: str | None = None
    unknown: bool | None = None
    unknown_score: float | None = None
    parameters: str | None = None
    output_sha256: str | None = None


LENGTHS = tuple(
    (column.name, column.type.length)
    for column in requests.columns
    if isinstance(column.type, sa.String) and column.type.length
)


class RequestLog:
    """A bounded queue before the table `requests`. Use from any thread; close it at the end."""

    def __init__(self, engine: sa.Engine, limit: int = 100_000) -> None:
        self.engine = engine
        self.limit = limit
        self.dropped = 0
        self.set_aside = 0
        self._queue: deque[tuple[float, RequestRecord]] = deque()
        self._changed = threading.Condition(lock := threading.Lock())
        self._arrived = threading.Condition(lock)
        self._hurry, self._closing = 0, False
        self._writer = threading.Thread(target=self._run, name="request-log", daemon=True)
        self._writer.start()

    @property
    def backlog(self) -> int:
        """Records that are not in the database yet."""
        return len(self._queue)

    @property
    def oldest_age_seconds(self) -> float:
        """How long the oldest of them has waited; 0 where there is none."""
        with self._changed:
            return time.monotonic() - self._queue[0][0] if self._queue else 0.0

    def record(self, record: RequestRecord) -> None:
        """Take the record and return at once. Beyond the limit it is counted as dropped."""
        with self._changed:
            if len(self._queue) >= self.limit:
                self.dropped += 1
                return
            self._queue.append((time.monotonic(), record))
            if len(self._queue) in (1, BATCH):
                self._arrived.notify()

    def flush(self, timeout_seconds: float = 10.0) -> bool:
        """Wait until the queue is empty; False where it is not in time."""
        with self._changed:
            self._hurry += 1
            self._arrived.notify()
            try:
                return self._changed.wait_for(lambda: not self._queue, timeout_seconds)
            finally:
                self._hurry -= 1

    def close(self, timeout_seconds: float = 10.0) -> bool:
        """Flush, then stop the writer. False where records were left behind (they are logged)."""
        done = self.flush(timeout_seconds)
        with self._changed:
            self._closing = True
            self._arrived.notify_all()
        self._writer.join(timeout_seconds)
        if not done:
            log.error("request log closed with %d records not stored", self.backlog)
        return done

    def _run(self) -> None:
        failures = 0
        while True:
            with self._changed:
                self._arrived.wait_for(lambda: self._queue or self._closing)
                self._arrived.wait_for(self._is_worth_writing, GATHER_SECONDS)
                if self._closing:
                    return
                batch = [record for _, record in list(self._queue)[:BATCH]]
            try:
                self._store(batch)
                failures = 0
            except Exception as error:  # noqa: BLE001 - this thread must outlive whatever happens
                pause = BACK_OFF_SECONDS[min(failures, len(BACK_OFF_SECONDS) - 1)]
                failures += 1
                log.warning("request log: not stored, retry in %s s (%s)", pause, error)
                with self._changed:
                    self._arrived.wait_for(lambda: self._closing, pause)
                continue
            with self._changed:
                for _ in batch:
                    self._queue.popleft()
                self._changed.notify_all()

    def _is_worth_writing(self) -> bool:
        return len(self._queue) >= BATCH or self._hurry > 0 or self._closing

    def _store(self, batch: Sequence[RequestRecord]) -> None:
        try:
            insert_requests(self.engine, batch)
        except StatementError as error:
            if not _refused(error):
                raise
            self._store_one_by_one(batch)

    def _store_one_by_one(self, batch: Sequence[RequestRecord]) -> None:
        """A record that the database refuses is set aside with its error; the rest go in."""
        for record in batch:
            try:
                insert_requests(self.engine, [record])
            except StatementError as error:
                if not _refused(error):
                    raise
                self.set_aside += 1
                log.error("request log: %s set aside: %s", record, error.orig)


def _refused(error: StatementError) -> bool:
    """Whether the record is at fault, rather than the way to the database."""
    return isinstance(error, DataError | IntegrityError) or not isinstance(error, DBAPIError)


def insert_requests(engine: sa.Engine, records: Sequence[RequestRecord]) -> None:
    """Store the records that are not stored yet, in one transaction."""
    rows = {record.id: _row(record) for record in records}
    try:
        with engine.begin() as connection:
            connection.execute(requests.insert(), list(rows.values()))
    except IntegrityError:  # some are there: an answer of the database was lost on its way
        with engine.begin() as connection:
            stored = sa.select(requests.c.id).where(requests.c.id.in_(list(rows)))
            for identifier in connection.scalars(stored):
                del rows[identifier]
            if rows:
                connection.execute(requests.insert(), list(rows.values()))


def find_request(engine: sa.Engine, identifier: str) -> RequestRecord | None:
    """The row of that id, or None."""
    with engine.connect() as connection:
        query = sa.select(requests).where(requests.c.id == identifier)
        row = connection.execute(query).mappings().first()
    if row is None:
        return None
    return RequestRecord(**{**row, "at_utc": row["at_utc"].replace(tzinfo=UTC)})


def _row(record: RequestRecord) -> dict[str, object]:
    row: dict[str, object] = dict(vars(record))
    row["at_utc"] = naive_utc(record.at_utc)
    for name, length in LENGTHS:
        value = row[name]
        if value is not None and len(value) > length:  # type: ignore[arg-type]
            row[name] = value[:length]  # type: ignore[index]
    return row


def naive_utc(moment: datetime) -> datetime:
    """The moment as it is stored: UTC without a zone, cut to milliseconds."""
    utc = moment.astimezone(UTC).replace(tzinfo=None)
    return utc.replace(microsecond=utc.microsecond // 1000 * 1000)
