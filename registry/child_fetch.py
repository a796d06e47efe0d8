"""Has a model's files fetched by a process of its own, so that the caller never imports MLflow.

That process is `registry.fetch`; it ends with the caller, however that ends.
"""

from dataclasses import asdict
from pathlib import Path

from leafgate.child_process import Child, ChildFailed, command_of
from leafgate.errors import UserError
from leafgate.settings import Settings
from registry.store import ModelVersion

COMMAND = command_of("registry.fetch")
COMPLAINT_CHARACTERS = 500


def fetch_in_child(settings: Settings, version: ModelVersion) -> Path:
    """What `ModelStore.folder` returns and raises, by a process that ends with this one.

    Raises UserError `fetch_failed` where that process breaks down or takes too long.
    """
    store = {"var_dir": str(settings.var_dir), "mlflow_tracking_uri": settings.tracking_uri}
    request = {"settings": store, "version": asdict(version)}
    try:
        with Child(COMMAND) as child:
            return Path(child.ask(request, settings.model_fetch_seconds)["folder"])
    except (ChildFailed, KeyError) as error:
        complaint = getattr(error, "complaint", "")[:COMPLAINT_CHARACTERS]
        raise UserError(
            f"the files of {version} could not be fetched ({complaint or error})",
            "check that MLflow and its artifacts can be reached from here",
            code="fetch_failed",
        ) from error
