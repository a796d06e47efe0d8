"""What the files of the stack say (Compose, Kubernetes), as plain data; nothing is started."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from leafgate.settings import Settings
from tests.compose_files import ROOT

Document = dict[str, Any]

SECRET_NAME = re.compile(r"SECRET|PASSWORD|TOKEN|_KEY$")
FROM_ELSEWHERE = re.compile(r"\$[({]\w+[^)}]*[)}]")  # $(NAME) of Kubernetes, ${NAME…} of Compose
PASSWORD_IN_ADDRESS = re.compile(r"://[^/@\s]*:([^@\s]+)@")
LEFT_EMPTY = re.compile(r"^(\w+)=$", re.MULTILINE)


def documents(file: Path) -> list[Document]:
    """The YAML documents of a file, without empty ones."""
    return [each for each in yaml.safe_load_all(file.read_text()) if each]


def unknown_settings(names: Iterable[str]) -> set[str]:
    """Variables that look like settings of LeafGate, and are none."""
    known = {f"LEAFGATE_{name}".upper() for name in Settings.model_fields}
    return {name for name in names if name.startswith("LEAFGATE_")} - known


def gives_a_secret_away(name: str, value: str) -> bool:
    """Whether a variable's value, as it stands in a file, is a secret or holds one."""
    if any(FROM_ELSEWHERE.sub("", found) for found in PASSWORD_IN_ADDRESS.findall(value)):
        return True
    return bool(SECRET_NAME.search(name) and FROM_ELSEWHERE.sub("", value))


def secrets_of_compose() -> set[str]:
    """The variables that `.env.example` leaves empty, and `docker/secrets.sh` fills in."""
    return set(LEFT_EMPTY.findall((ROOT / ".env.example").read_text()))
