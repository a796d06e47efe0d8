"""What a stored classifier answers as MLflow runs it: by its own code, in a confined process."""

import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from leafgate.settings import Settings
from leafgate.strict_json import dump_json
from registry.sandbox import Confined, SandboxFailed, run_confined

WORKER = Path(__file__).with_name("pyfunc_worker.py")
SECONDS = 900.0  # to start, to load, and for all images
CLASS_CHARACTERS = 500


def pyfunc_answers(settings: Settings, stored: Path, images: Sequence[Path]) -> list[str]:
    """The class that the PyFunc in the folder `stored` names for each image file.

    Its code reads that folder, gets the images, and nothing else: no settings but the engine, no
    key. Raises UserError as `registry.sandbox.run_confined` does.
    """
    stored = stored.resolve()
    confined = Confined(
        WORKER,
        readable=(stored,),
        secret=(settings.var_dir, Path(".env")),
        set={
            "LEAFGATE_ENGINE": settings.engine,
            "CUDA_VISIBLE_DEVICES": "-1",  # a GPU's driver is no part of what is left to it
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "TF_CPP_MIN_LOG_LEVEL": "3",
        },
        seconds=SECONDS,
    )
    sizes = [file.stat().st_size for file in images]
    pictures = (file.read_bytes() for file in images)
    with _plainly_named(stored) as model:
        asked = dump_json({"model": str(model), "sizes": sizes}, ensure_ascii=True)
        answer = run_confined(confined, (asked.encode() + b"\n", *pictures))
    return _checked(answer, len(images))


@contextmanager
def _plainly_named(folder: Path) -> Iterator[Path]:
    """A path to the folder without the `#`, `?` or `%` of a project's name, by a link.

    MLflow's `load_model` takes paths for URLs. The link is to the parent folder, since MLflow does
    not follow the folder itself.
    """
    with tempfile.TemporaryDirectory(prefix="leafgate-model-") as parent:
        link = Path(parent, "models")
        link.symlink_to(folder.parent)
        yield link / folder.name


def _checked(answer: bytes, count: int) -> list[str]:
    """The names, if it is as many as were asked for. Whoever wrote the code wrote these too."""
    try:
        names = json.loads(answer)["classes"]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise SandboxFailed("its answer cannot be read") from None
    if not isinstance(names, list) or len(names) != count:
        raise SandboxFailed(f"it does not name a class for each of {count} images")
    if not all(isinstance(name, str) and len(name) <= CLASS_CHARACTERS for name in names):
        raise SandboxFailed("a class that it names is no text, or too long")
    return names
