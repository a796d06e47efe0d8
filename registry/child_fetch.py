"""Has a model's files fetched by a process of its own, so that the caller never imports MLflow.

That process is `registry.fetch`; it ends with the caller, however that ends.
"""

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import IO

from leafgate.errors import UserError
from leafgate.settings import Settings
from registry.store import ModelVersion

# The caller's own code, whatever lies in the folder that it was started in (-P).
COMMAND = (sys.executable, "-P", "-m", "registry.fetch")
CODE = Path(__file__).resolve().parents[1]
CLEARING_SECONDS = 15.0


def fetch_in_child(settings: Settings, version: ModelVersion) -> Path:
    """What `ModelStore.folder` returns and raises, by a process that ends with this one.

    Raises UserError `fetch_failed` where that process breaks down or takes too long.
    """
    with tempfile.TemporaryFile() as told, tempfile.TemporaryFile() as complaints:
        child = subprocess.Popen(
            COMMAND,
            stdin=subprocess.PIPE,
            stdout=told,
            stderr=complaints,
            env={**os.environ, "PYTHONPATH": _with_our_code()},
            bufsize=0,
        )
        try:
            _ask(child, settings, version)
            child.wait(settings.model_fetch_seconds)
        except subprocess.TimeoutExpired as error:
            why = f"nothing after {settings.model_fetch_seconds:g} s"
            raise _fetch_failed(version, why) from error
        finally:
            _end(child)
        return _answer(version, _last_line(told), _last_line(complaints))


def _with_our_code() -> str:
    return os.pathsep.join([str(CODE), *filter(None, [os.environ.get("PYTHONPATH")])])


def _ask(child: subprocess.Popen[bytes], settings: Settings, version: ModelVersion) -> None:
    store = {"var_dir": str(settings.var_dir), "mlflow_tracking_uri": settings.tracking_uri}
    request = json.dumps({"settings": store, "version": asdict(version)})
    assert child.stdin is not None  # noqa: S101 - it was asked for
    try:
        child.stdin.write(request.encode() + b"\n")
    except BrokenPipeError:  # it broke down at once: its last words tell more
        child.wait()


def _end(child: subprocess.Popen[bytes]) -> None:
    """End the child: by the end of its input, which lets it clear up, or by force."""
    assert child.stdin is not None  # noqa: S101 - it was asked for
    child.stdin.close()
    try:
        child.wait(CLEARING_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _last_line(file: IO[bytes]) -> str:
    file.seek(0)
    lines = file.read().decode(errors="replace").strip().splitlines()
    return lines[-1][:500] if lines else ""


def _answer(version: ModelVersion, told: str, complaint: str) -> Path:
    try:
        answer = json.loads(told)
        if "folder" in answer:
            return Path(answer["folder"])
        raise UserError(answer["problem"], answer["fix"], answer["code"])
    except (ValueError, TypeError, KeyError) as error:
        raise _fetch_failed(version, complaint or "its process died") from error


def _fetch_failed(version: ModelVersion, why: str) -> UserError:
    return UserError(
        f"the files of {version} could not be fetched ({why})",
        "check that MLflow and its artifacts can be reached from here",
        code="fetch_failed",
    )
