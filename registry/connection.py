"""MLflow, opened at the configured address, and its exceptions in our words."""

import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from leafgate.errors import UserError
from leafgate.settings import Settings

SECRET = re.compile(r"//[^/@\s]+@")  # who signs in, where an address says so


def open_mlflow(settings: Settings) -> Any:  # noqa: ANN401 - the mlflow module
    """MLflow, pointed at the configured store, without telemetry and bars of its own."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    # A server that does not answer is told within a minute, not after MLflow's twelve.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
    import mlflow

    logging.getLogger("mlflow").setLevel(logging.WARNING)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    uri = settings.tracking_uri
    if uri.startswith("sqlite:///"):
        Path(uri.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    if mlflow.get_tracking_uri() != uri:
        mlflow.set_tracking_uri(uri)
    return mlflow


@contextmanager
def registry_errors(settings: Settings) -> Iterator[None]:
    """Turn MLflow's exceptions into UserError."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        raise unreachable(settings, error) from error


def unreachable(settings: Settings, error: Exception) -> UserError:
    """What MLflow answered, shortened, and what to look at."""
    return UserError(
        f"MLflow at {_shown(settings.tracking_uri)} answered: {_shown(_first_line(error))}",
        "check LEAFGATE_MLFLOW_TRACKING_URI and that the server is up",
        code="registry_error",
    )


def unusable(settings: Settings, error: Exception) -> UserError:
    """Why MLflow's address, or a certificate for it, cannot be used at all."""
    return UserError(
        f"MLflow at {_shown(settings.tracking_uri)} cannot be asked: {_shown(_first_line(error))}",
        "correct LEAFGATE_MLFLOW_TRACKING_URI, or the MLFLOW_TRACKING_…_CERT_PATH",
        code="bad_tracking_uri",
    )


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)[:300]


def _shown(text: str) -> str:
    return SECRET.sub("//", text)
