"""Moving aliases: into production with the old version kept as `previous`, and back."""

import getpass
from datetime import UTC, datetime

from leafgate.errors import UserError
from registry.store import PREVIOUS, PRODUCTION, ModelStore, ModelVersion


def promote(store: ModelStore, version: ModelVersion) -> None:
    """Put `version` into production. `previous` moves first: whatever interrupts this leaves
    production on the old version or the new one.
    """
    champion = store.find(version.name, PRODUCTION)
    if champion is not None and champion.version == version.version:
        return
    if champion is not None:
        store.set_alias(version.name, PREVIOUS, champion.version)
    store.set_tags(version, {"promoted.by": user_name(), "promoted.at": utc_now()})
    store.set_alias(version.name, PRODUCTION, version.version)


def rollback(store: ModelStore, name: str) -> tuple[ModelVersion, ModelVersion]:
    """Swap production and previous; returns (now in production, was in production).

    Raises UserError where there is no previous version.
    """
    before, wanted = store.find(name, PRODUCTION), store.find(name, PREVIOUS)
    if before is None or wanted is None:
        raise UserError(
            f"{name} has no previous version to go back to",
            "`leafgate models list` shows what there is",
            code="no_such_version",
        )
    store.set_tags(wanted, {"promoted.by": user_name(), "promoted.at": utc_now()})
    store.set_alias(name, PRODUCTION, wanted.version)
    store.set_alias(name, PREVIOUS, before.version)
    return wanted, before


def user_name() -> str:
    """Who does this, as the machine knows them."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return "unknown"


def utc_now() -> str:
    """Now, in UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")
