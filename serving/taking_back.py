"""Moving the alias back after a bake time, by the command that a person would give.

It runs in a process of its own: the API's has neither MLflow nor, on many hosts, the signing key.
"""

import subprocess
import sys

from registry import ModelVersion

SECONDS = 120.0
TOLD_CHARACTERS = 500


def take_back(version: ModelVersion, reason: str) -> str:
    """Roll back, where `version` is still in production; what went wrong, or empty."""
    command = ["models", "rollback", version.name, "--from", str(version.version)]
    try:
        done = subprocess.run(
            [sys.executable, "-m", "leafgate.cli", *command, "--reason", reason],
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return "" if done.returncode == 0 else done.stderr.strip()[-TOLD_CHARACTERS:]
