"""The models that a service knows by name: its classifier and its generator."""

from leafgate.errors import UserError
from leafgate.settings import Settings

SHOWN_CHARACTERS = 80


def require_model(settings: Settings, name: str) -> str:
    """The name. Raises UserError `no_such_model` for one that is none of the service's two."""
    if name not in settings.model_names:
        raise UserError(
            f"there is no model {name[:SHOWN_CHARACTERS]!r}",
            f"ask for {' or '.join(settings.model_names)}",
            code="no_such_model",
        )
    return name
