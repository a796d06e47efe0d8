"""Moving the alias back after a bake time, by the command that a person would give.

It runs in a process of its own: the API's has neither MLflow nor, on many hosts, the signing key.
"""

import os
import subprocess
import sys

from leafgate.settings import Settings
from registry import ModelVersion

SECONDS = 120.0
TOLD_CHARACTERS = 500


def take_back(settings: Settings, version: ModelVersion, reason: str) -> str:
    """Roll back, where `version` is still in production; what went wrong, or empty."""
    command = ["models", "rollback", version.name, "--from", str(version.version)]
    try:
        done = subprocess.run(
            [sys.executable, "-m", "leafgate.cli", *command, "--reason", reason],
            env={**os.environ, **_told(settings)},
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return "" if done.returncode == 0 else done.stderr.strip()[-TOLD_CHARACTERS:]


def _told(settings: Settings) -> dict[str, str]:
    """Where the registry and the audit are, as the command reads it."""
    key = settings.audit_key
    told = {
        "VAR_DIR": str(settings.var_dir),
        "MLFLOW_TRACKING_URI": settings.tracking_uri,
        "DATABASE_URL": settings.database,
        "AUDIT_KEY": key.get_secret_value() if key else "",
        "AUDIT_PUBLIC_KEYS": settings.audit_public_keys,
    }
    return {f"LEAFGATE_{name}": value for name, value in told.items() if value}
