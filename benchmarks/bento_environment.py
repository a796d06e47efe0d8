"""BentoML in an environment of its own: its requirements stay out of ours."""

import os
import shutil
import subprocess
import sys
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

from leafgate.errors import UserError
from leafgate.progress import tell

BENTOML = "1.4.40"
# What the stored classifier runs on, as pinned here: both sides run the same engine.
SHARED = (
    "numpy",
    "openvino",
    "pillow",
    "pydantic",
    "pydantic-settings",
    "pyyaml",
    "rich",
    "scipy",
    "threadpoolctl",
)


def bento_python() -> Path:
    """Its interpreter; installed when first asked for. Raises UserError where that fails."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    pins = [f"{name}=={version(name)}" for name in SHARED]
    told = sha256(" ".join(pins).encode()).hexdigest()[:8]
    folder = cache / "leafgate" / f"bentoml-{BENTOML}-{told}"
    python, ready = folder / "bin" / "python", folder / "ready"
    if not ready.is_file():
        tell(f"installing BentoML {BENTOML} into {folder}")
        _run("venv", "--clear", "--python", sys.executable, str(folder))
        _run("pip", "install", "--python", str(python), f"bentoml=={BENTOML}", *pins)
        ready.touch()
    return python


def _run(*arguments: str) -> None:
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if uv is None:
        raise UserError("BentoML cannot be installed: no uv", "`make .venv/ready` installs it")
    done = subprocess.run([uv, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise UserError(
            f"BentoML cannot be installed: {done.stderr.strip()[-500:]}",
            "connect to a package index, or leave it out with --only",
        )
