"""Moves of the registry's aliases, and holds, on behalf of the service and of those who sign in.

Each is done by a process of its own (`leafgate.moving`): this one has no MLflow, and keeps on
answering. A model's moves come one after the other; those of other hosts the audit keeps apart.
"""

import logging
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict

from leafgate.child_process import Child, ChildFailed, command_of
from leafgate.errors import UserError
from leafgate.settings import Settings
from registry import Move, Moved
from serving.model_names import require_model
from serving.refusals import CODES

log = logging.getLogger(__name__)

COMMAND = command_of("leafgate.moving")
SECONDS = 120.0  # for one move: a registry that is slow is waited for


class Moves:
    """Takes moves as they come. A move that was asked for is finished, whoever waits for it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._queues = {
            name: ThreadPoolExecutor(1, thread_name_prefix=f"move {name}")
            for name in settings.model_names
        }
        self._running: set[Child] = set()
        self._closed = False

    def ask(self, move: Move) -> "Future[Moved]":
        """What becomes of it; the future raises the UserError of whatever is in the way.

        Raises UserError `no_such_model`, and `shutting_down` after `close`.
        """
        require_model(self._settings, move.model)
        if self._closed:
            raise _stopping()
        return self._queues[move.model].submit(self._carry_out, move)

    def close(self) -> None:
        """End what is under way; the next command that looks at the model settles it."""
        self._closed = True
        for queue in self._queues.values():
            queue.shutdown(wait=False, cancel_futures=True)
        for child in tuple(self._running):
            child.end()

    def _carry_out(self, move: Move) -> Moved:
        request = {"settings": _told(self._settings), "move": asdict(move)}
        try:
            with Child(COMMAND) as child:
                self._running.add(child)
                try:
                    if self._closed:
                        raise _stopping()
                    return Moved(**child.ask(request, SECONDS))
                finally:
                    self._running.discard(child)
        except UserError as error:
            if error.code in CODES:
                raise
            raise UserError(error.problem, error.fix, "move_failed") from error
        except (ChildFailed, OSError) as error:
            complaint = getattr(error, "complaint", "")
            log.exception("%s of %s failed: %s", move.how, move.model, complaint)
            raise UserError(
                f"the {move.how} of {move.model} was not finished ({error})",
                "see `leafgate models audit` for how far it came, then ask again",
                code="move_failed",
            ) from error


def _stopping() -> UserError:
    fix = "ask another process, or again in a few seconds"
    return UserError("this process is stopping", fix, code="shutting_down")


def _told(settings: Settings) -> dict[str, str | None]:
    """Where registry and audit are, and the key; as configured, since defaults have a key made."""
    key = settings.audit_key
    return {
        "var_dir": str(settings.var_dir),
        "mlflow_tracking_uri": settings.mlflow_tracking_uri,
        "database_url": settings.database_url,
        "audit_key": key.get_secret_value() if key else None,
        "audit_public_keys": settings.audit_public_keys,
    }
