"""Several processes that serve on one socket; one that dies is started again.

Each is a fresh interpreter (spawned, never forked: TensorFlow, OpenVINO and threads do not survive
a fork) with its own models. uvicorn's own supervisor would re-read settings from the environment
and leave no way to stop a worker in our order.
"""

import logging
import multiprocessing
import os
import shutil
import signal
import socket
import sys
import time
from dataclasses import dataclass, field
from multiprocessing.context import SpawnProcess
from types import FrameType

from leafgate.settings import Settings
from serving.database import reached_database
from serving.metrics import FOLDER_VARIABLE

log = logging.getLogger(__name__)

STARTUP_FAILED = 3  # uvicorn's exit code where the application does not start
WATCH_SECONDS = 0.2
RESTART_SECONDS = 1.0
EXTRA_SECONDS = 15  # beyond drain_seconds, for the request log, before a worker is killed


def run_workers(settings: Settings, listener: socket.socket) -> None:
    """Keep `settings.workers` processes serving until SIGTERM or SIGINT. Exits 1 if none can."""
    reached_database(settings).dispose()  # here, once: workers would migrate it side by side
    _empty_metrics_folder(settings)
    Supervisor(settings, listener).run()


def _empty_metrics_folder(settings: Settings) -> None:
    folder = settings.var_dir / "metrics" / str(settings.api_port)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    os.environ[FOLDER_VARIABLE] = str(folder)  # inherited: workers write their values there


def _work(settings: Settings, listener: socket.socket) -> None:
    """A worker's life."""
    from serving.app import create_app
    from serving.json_logs import set_up_logging
    from serving.server import serve_app

    set_up_logging(settings)
    serve_app(create_app(settings), settings, listener)


@dataclass
class Supervisor:
    """Watches the workers. Signals only set `stopping`; the loop acts on it."""

    settings: Settings
    listener: socket.socket
    stopping: bool = False
    failed: bool = False
    workers: list[SpawnProcess] = field(default_factory=list)

    def run(self) -> None:
        """Start all, watch them, and stop all."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        self.workers = [self._start() for _ in range(self.settings.workers)]
        while not self.stopping:
            time.sleep(WATCH_SECONDS)
            self._replace_the_dead()
        self._end_all()
        if self.failed:
            sys.exit(1)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.stopping = True

    def _start(self) -> SpawnProcess:
        context = multiprocessing.get_context("spawn")
        worker = context.Process(target=_work, args=(self.settings, self.listener), name="api")
        worker.start()
        log.info("worker %s started", worker.pid)
        return worker

    def _replace_the_dead(self) -> None:
        for place, worker in enumerate(self.workers):
            if worker.exitcode is None or self.stopping:
                continue
            if worker.exitcode == STARTUP_FAILED:
                log.error("worker %s cannot start; its reason is above", worker.pid)
                self.stopping = self.failed = True
                return
            log.error("worker %s died (exit code %s)", worker.pid, worker.exitcode)
            time.sleep(RESTART_SECONDS)  # one that dies at once must not take all the cores
            if not self.stopping:
                self.workers[place] = self._start()

    def _end_all(self) -> None:
        for worker in self.workers:
            worker.terminate()
        patience = (
            self.settings.shutdown_delay_seconds + self.settings.drain_seconds + EXTRA_SECONDS
        )
        deadline = time.monotonic() + patience
        for worker in self.workers:
            worker.join(max(0.0, deadline - time.monotonic()))
            if worker.exitcode is None:
                log.error("worker %s does not end; killed", worker.pid)
                worker.kill()
                worker.join()
