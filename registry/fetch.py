"""Fetches the files of one model version by MLflow, for `registry.child_fetch`.

`python -m registry.fetch` reads one JSON line from its input: from which store, and what. The input
stays open as long as the caller wants the files: when it ends, so does the fetch. A last line of
JSON on its output says where the files are, or what was wrong.
"""

import json
import os
import signal
import sys
import threading
import time
from types import FrameType
from typing import NoReturn

from leafgate.errors import UserError
from leafgate.settings import load_settings
from registry.store import ModelStore, ModelVersion

NICENESS = 5  # behind the service, but not starved by one under full load
CLEARING_SECONDS = 10.0


def main() -> None:
    """The child: fetch what the first line of the input asks for."""
    os.nice(NICENESS)
    signal.signal(signal.SIGTERM, _leave)
    request = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_end_with_the_caller, daemon=True).start()
    answer: dict[str, str]
    try:
        asked = {**request["version"], "aliases": tuple(request["version"]["aliases"])}
        store = ModelStore(load_settings(**request["settings"]))
        answer = {"folder": str(store.folder(ModelVersion(**asked)))}
    except UserError as error:
        answer = {"problem": error.problem, "fix": error.fix, "code": error.code}
    sys.stdout.write(f"\n{json.dumps(answer)}\n")


def _leave(_number: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(1)


def _end_with_the_caller() -> None:
    os.read(0, 1)  # not sys.stdin, whose lock would be held at exit
    os.kill(os.getpid(), signal.SIGTERM)  # raises in the main thread, which clears up
    time.sleep(CLEARING_SECONDS)
    os._exit(1)


if __name__ == "__main__":
    main()
