"""The stack's files as Compose reads them, which has to be here; nothing is started."""

import os
import shutil
import subprocess
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from tests.requirements import absent

ROOT = Path(__file__).resolve().parents[1]
VARIANTS = {
    "sqlserver": ("docker-compose.yml",),
    "postgres": ("docker-compose.yml", "docker/compose.postgres.yml"),
    "acme": ("docker-compose.yml", "docker/compose.acme.yml"),
}
PROFILES = ("train", "gpu")


def compose(*arguments: str, env: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """`docker compose`, or `docker-compose`, with the secrets of the file `env`."""
    clean = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **variables}
    return subprocess.run(
        [*_program(), "--env-file", str(env), *arguments],
        cwd=ROOT,
        env=clean,
        capture_output=True,
        text=True,
        check=False,
    )


@lru_cache(maxsize=1)
def _program() -> tuple[str, ...]:
    plugin = ("docker", "compose")
    if shutil.which("docker"):
        found = subprocess.run([*plugin, "version"], capture_output=True, check=False)
        if found.returncode == 0:
            return plugin
    v1 = shutil.which("docker-compose")
    return (v1,) if v1 else absent("Compose", "apt-get install docker-compose")


def read_compose(variant: str, env: Path) -> dict[str, Any]:
    """What Compose makes of a variant's files, every profile included."""
    files = [part for file in VARIANTS[variant] for part in ("-f", file)]
    profiles = [part for name in PROFILES for part in ("--profile", name)]
    done = compose(*files, *profiles, "config", env=env)
    assert done.returncode == 0, done.stderr
    read: dict[str, Any] = yaml.safe_load(done.stdout)
    return read


def networks_of(service: dict[str, Any]) -> set[str]:
    """By their names in the file."""
    return set(service.get("networks") or ())


def variables_of(service: dict[str, Any]) -> dict[str, Any]:
    """The environment of a container; None: passed on where it is set."""
    return dict(service.get("environment") or {})
