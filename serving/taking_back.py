"""Moving the alias back after a bake time, as a person would have it moved."""

from concurrent.futures import CancelledError

from leafgate.audit import this_person
from leafgate.errors import UserError
from registry import ModelVersion, Move
from serving.moves import Moves


def take_back(moves: Moves, version: ModelVersion, reason: str) -> str:
    """Roll back, where `version` is still in production; what went wrong, or empty."""
    back = Move("rollback", version.name, version.version, reason, this_person())
    try:
        moves.ask(back).result()
    except (UserError, CancelledError) as error:
        return str(error) or "the service is stopping"
    return ""
