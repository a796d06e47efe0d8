"""Fetches the files of one model version by MLflow, for `registry.child_fetch`.

`python -m registry.fetch` is asked from which store, and what (see `leafgate.child_process`).
"""

import os
from typing import Any

from leafgate.child_process import answer_caller
from leafgate.settings import load_settings
from registry.store import ModelStore, ModelVersion

NICENESS = 5  # behind the service, but not starved by one under full load


def fetch(request: Any) -> dict[str, object]:  # noqa: ANN401 - JSON
    """Where the files are. Raises UserError, see `ModelStore.folder`."""
    asked = {**request["version"], "aliases": tuple(request["version"]["aliases"])}
    store = ModelStore(load_settings(**request["settings"]))
    return {"folder": str(store.folder(ModelVersion(**asked)))}


if __name__ == "__main__":
    os.nice(NICENESS)
    answer_caller(fetch)
