"""The token of our own MLflow server, and the link that signs a browser in with it."""

import re
import secrets
from pathlib import Path
from urllib.parse import urlencode

from leafgate.errors import UserError
from leafgate.files import write_secret_once
from leafgate.settings import Settings

TOKEN_FILE = "mlflow.token"  # noqa: S105 - a file's name, no secret
SIGN_IN_PATH = "/sign-in"
MIN_LENGTH = 32
TOKEN = re.compile(rf"[!-~]{{{MIN_LENGTH},}}")


def mlflow_token(settings: Settings) -> str:
    """The token, created at first use under `var_dir`, readable by this user alone.

    Raises
    ------
    UserError
        Where the file cannot be read or written, or holds less than a token.

    """
    file = token_file(settings)
    try:
        write_secret_once(file, secrets.token_hex(32) + "\n")
        token = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"the token of MLflow cannot be read from {file} ({error})",
            "make the file readable for this user, or remove it for a new token",
            code="no_mlflow_token",
        ) from error
    if not TOKEN.fullmatch(token):
        raise UserError(
            f"{file} holds no usable token of {MIN_LENGTH} characters or more",
            "remove the file: a new token is then created at the next start",
            code="no_mlflow_token",
        )
    return token


def token_file(settings: Settings) -> Path:
    """Where the token lies."""
    return settings.var_dir / TOKEN_FILE


def sign_in_link(settings: Settings) -> str:
    """The address that signs a browser in to our MLflow, the token included."""
    query = urlencode({"token": mlflow_token(settings)})
    return f"{settings.mlflow_address}{SIGN_IN_PATH}?{query}"
