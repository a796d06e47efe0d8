"""The process that runs a stored PyFunc: `registry.pyfunc_answers` starts it, as a script.

It confines itself before it imports anything that is not Python's own. What it then runs is the
code that is stored with the model, as `mlflow models serve` runs it; no module of LeafGate's is
imported before, so that the model's own copy is.

Arguments: where to write the answer (an open file), CPU seconds, the folder to write to, and what
may be read. Input: a line of JSON, `{"model": folder, "sizes": [bytes of each image]}`, and the
images. Answer: `{"classes": [a name for each image]}`.
"""

import importlib.util
import json
import os
import sys
from pathlib import Path
from typing import IO, Any

BATCH = 32
UNCONFINABLE = 97


def main() -> None:
    """Confine, answer."""
    answer, seconds, scratch, *readable = sys.argv[1:]
    try:
        _confinement().confine(readable, scratch, int(seconds))
    except Exception as error:  # noqa: BLE001 - then nothing may be run
        os.write(sys.stderr.fileno(), str(error).encode())
        os._exit(UNCONFINABLE)
    request = json.loads(sys.stdin.buffer.readline())
    classes = _classes(request["model"], request["sizes"], sys.stdin.buffer)
    with os.fdopen(int(answer), "w") as file:
        json.dump({"classes": classes}, file)


def _confinement() -> Any:  # noqa: ANN401 - a module
    """By its path: `registry` itself is not imported."""
    file = Path(__file__).with_name("confinement.py")
    spec = importlib.util.spec_from_file_location("confinement", file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _classes(model: str, sizes: list[int], stream: IO[bytes]) -> list[str]:
    import mlflow
    import pandas as pd

    loaded = mlflow.pyfunc.load_model(model)
    names: list[str] = []
    for start in range(0, len(sizes), BATCH):
        images = [stream.read(size) for size in sizes[start : start + BATCH]]
        answers = loaded.predict(pd.DataFrame({"image": images}))
        names += [str(name) for name in answers["class"]]
    return names


if __name__ == "__main__":
    main()
