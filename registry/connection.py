"""MLflow, opened at the configured address, and its exceptions in our words."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from leafgate.errors import UserError
from leafgate.proxies import keep_own_traffic_direct
from leafgate.settings import Settings
from leafgate.sqlite_url import is_sqlite, readable
from leafgate.url_secrets import require_readable, shown_error, shown_url
from registry.artifact_places import follow_moves
from registry.store_file import SETTING, is_of_the_store, require_usable_file, unreachable


def open_mlflow(settings: Settings) -> Any:  # noqa: ANN401 - the mlflow module
    """MLflow, pointed at the configured store, without telemetry and bars of its own.

    Its client reads `no_proxy`, which is extended by the addresses that are ours.
    """
    keep_own_traffic_direct(settings.host)
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    # A server that does not answer is told within a minute, not after MLflow's twelve.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
    uri = mlflow_uri(settings)
    import mlflow

    logging.getLogger("mlflow").setLevel(logging.WARNING)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)  # it logs whole stacks
    require_usable_file(settings)
    if mlflow.get_tracking_uri() != uri:
        mlflow.set_tracking_uri(uri)
    follow_moves(settings)
    return mlflow


def mlflow_uri(settings: Settings) -> str:
    """The tracking URI as MLflow reads it right. Raises UserError `bad_tracking_uri`.

    MLflow makes a folder of whatever follows `sqlite:///`, to the letter: `my%20project` beside
    `my project`. It does so for no other spelling.
    """
    uri = settings.tracking_uri
    require_readable(uri, SETTING, "bad_tracking_uri")
    if not is_sqlite(uri):
        return uri
    uri = readable(uri)
    return uri.replace("sqlite:", "sqlite+pysqlite:", 1) if "%" in uri else uri


@contextmanager
def registry_errors(settings: Settings) -> Iterator[None]:
    """Turn exceptions of MLflow, and of what it keeps its store with, into UserError."""
    try:
        yield
    except Exception as error:
        if isinstance(error, UserError) or not is_of_the_store(error):
            raise
        raise unreachable(settings, error) from error


def unusable(settings: Settings, error: Exception) -> UserError:
    """Why MLflow's address, or a certificate for it, cannot be used at all."""
    return UserError(
        f"MLflow at {shown_url(settings.tracking_uri)} cannot be asked: {shown_error(error)}",
        f"correct {SETTING}, the MLFLOW_TRACKING_…_CERT_PATH, or the proxy that the environment "
        "names",
        code="bad_tracking_uri",
    )
