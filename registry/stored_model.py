"""A stored model as MLflow keeps it: one folder, every file of which counts in its digest.

The folder holds MLflow's own files (`MLmodel`, the requirements), the code of the PyFunc, and under
`artifacts/` one folder with the model itself, which is all that LeafGate loads. Nothing beside that
folder is ever run in a process of LeafGate (see `registry.pyfunc_answers`).

Two things are no part of the stored model and never fetched, since whoever loads the PyFunc from a
store in local folders, as `mlflow models serve` does, leaves them there: MLflow's file
`registered_model_meta` in the folder itself, and Python's folders `__pycache__` beside the code.
Every other file counts in the digest.
"""

import json
import resource
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from leafgate.errors import UserError
from leafgate.strict_json import dump_json
from registry.kept_copies import folder_digest, is_plain_file

MODEL_FOLDER = "model"
TRAINING_FILE = "training.json"
LEFT_BY_MLFLOW, LEFT_BY_PYTHON = "registered_model_meta", "__pycache__"
MAX_FILES = 10_000
MAX_BYTES = 8 * 2**30  # of all files together
LIMIT_BYTES = 2**30  # of one file, whatever a server sends; more only where its listing says so
DOWNLOADS = 8  # at a time


class UnsafeArtifact(UserError):
    """The stored files cannot be fetched without harm."""

    def __init__(self, problem: str) -> None:
        super().__init__(
            problem,
            "look at the version's artifacts in MLflow: LeafGate stores none so; train it again",
            code="artifact_unsafe",
        )


def model_folder(stored: Path) -> Path:
    """The model itself in the folder of a stored one. Raises UserError where there is none."""
    folder = stored / "artifacts" / MODEL_FOLDER
    if not folder.is_dir():
        raise UserError(
            f"no model in the stored files ({stored.name})",
            "look at the version's artifacts in MLflow; train it again",
            code="artifact_missing",
        )
    return folder


def write_training(stored: Path, data_digest: str) -> None:
    """Note in a stored model which split it was trained with, so that its digest covers that."""
    (stored / TRAINING_FILE).write_text(dump_json({"data_digest": data_digest}), "utf-8")


def trained_with(stored: Path) -> str | None:
    """The digest of the split that a stored model was trained with; None where it names none."""
    try:
        noted = json.loads((stored / TRAINING_FILE).read_text("utf-8"))
    except FileNotFoundError:
        return None
    return str(noted["data_digest"])


def is_of_older_leafgate(stored: Path, digest: str) -> bool:
    """Whether `digest` covers the model alone, as an older LeafGate reckoned it."""
    return any(folder_digest(folder) == digest for folder in (stored / "artifacts").glob("*"))


def fetch_files(repository: Any, into: Path) -> None:  # noqa: ANN401 - MLflow's ArtifactRepository
    """Write every file of an artifact repository into the empty folder `into`, and nothing else.

    Raises UnsafeArtifact for names that lead elsewhere, for what is no plain file, and for more or
    larger files than any model has, or than the listing says.
    """
    sizes = dict(_listed(repository))
    for name in sizes:
        (into / name).parent.mkdir(parents=True, exist_ok=True)

    def fetch(name: str) -> None:
        # Each repository has this call; the one for folders would list every file once more.
        repository._download_file(name, str(into / name))
        if (into / name).stat().st_size > sizes[name]:
            raise UnsafeArtifact(f"the stored {name[:200]!r} is larger than its listing says")

    largest = max(sizes.values(), default=0)
    with _files_at_most(max(largest, LIMIT_BYTES)), ThreadPoolExecutor(DOWNLOADS) as pool:
        list(pool.map(fetch, sizes))


def _listed(repository: Any) -> Iterator[tuple[str, int]]:  # noqa: ANN401
    """The path of each file, slashes between its parts, and how many bytes it has at most."""
    count, total, folders = 0, 0, [""]
    while folders:
        folder = folders.pop()
        for item in repository.list_artifacts(folder or None):
            _require_inside(item.path, folder)
            _require_plain(repository, item.path)
            size = MAX_BYTES if item.file_size is None else int(item.file_size)
            count, total = count + 1, total + int(item.file_size or 0)
            if count > MAX_FILES or total > MAX_BYTES:
                raise UnsafeArtifact(
                    f"more than {MAX_FILES:,} stored files, or {MAX_BYTES / 2**30:g} GiB of them"
                )
            if item.is_dir:
                left = PurePosixPath(item.path).name == LEFT_BY_PYTHON
                folders += [] if left else [item.path]
            elif item.path != LEFT_BY_MLFLOW:
                yield item.path, size


def _require_inside(path: str, folder: str) -> None:
    """A listing names what lies directly in the folder that was asked for."""
    parts = PurePosixPath(path)
    parent = "" if str(parts.parent) == "." else str(parts.parent)
    plain = str(parts) == path and "\0" not in path and parts.name not in ("", ".", "..")
    if not plain or parts.is_absolute() or parent != folder:
        raise UnsafeArtifact(f"the listing of {folder or 'the stored model'} names {path[:200]!r}")


def _require_plain(repository: Any, path: str) -> None:  # noqa: ANN401
    """A store in local folders may hold links and devices."""
    root = getattr(repository, "artifact_dir", None)
    if root is None:
        return
    local = Path(root) / path
    if local.is_symlink() or not (is_plain_file(local) or local.is_dir()):
        raise UnsafeArtifact(f"the stored {path[:200]!r} is a link or no file")


@contextmanager
def _files_at_most(size: int) -> Iterator[None]:
    """No file of this process grows beyond that: a server may send more than it listed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    limits = [limit for limit in (soft, hard, size) if limit != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_FSIZE, (min(limits), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
