"""The shape of the repository is what docs/architecture.md says."""

import importlib
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGES = {
    ".".join(file.parent.relative_to(ROOT).parts)
    for file in ROOT.glob("*/**/__init__.py")
    if not file.relative_to(ROOT).parts[0].startswith((".", "var", "build", "tests"))
}


def test_every_package_is_installed() -> None:
    assert set(PROJECT["tool"]["setuptools"]["packages"]) == PACKAGES


def test_every_top_level_package_is_known_to_import_linter() -> None:
    roots = set(PROJECT["tool"]["importlinter"]["root_packages"])
    assert roots == {name for name in PACKAGES if "." not in name}


def test_docker_is_no_package() -> None:
    """It would hide the PyPI package `docker`, which MLflow imports."""
    assert not (ROOT / "docker" / "__init__.py").exists()


@pytest.mark.parametrize("name", ["registry", "serving", "sql"])
def test_what_a_package_offers_is_there_and_sorted(name: str) -> None:
    package = importlib.import_module(name)
    assert all(hasattr(package, offered) for offered in package.__all__)
    assert len(set(package.__all__)) == len(package.__all__)


HEAVY = ("tensorflow", "keras", "mlflow", "openvino", "pandas", "matplotlib", "sklearn", "alembic")
HEAVY_PARTS = ("scipy.special", "scipy.stats", "scipy.ndimage")


@pytest.mark.parametrize(
    "module", ["leafgate.cli", "registry", "sql", "training.gan.config", "serving.server"]
)
def test_nothing_heavy_is_imported_before_it_is_needed(module: str) -> None:
    code = (
        f"import sys, {module}; "
        f"print([name for name in {HEAVY + HEAVY_PARTS} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_service_starts_without_the_gate_and_the_http_client() -> None:
    code = (
        "import sys, serving.server; "
        "print([name for name in ('registry.gate', 'yaml', 'httpx') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_what_the_registry_loads_on_first_use_is_named_like_none_of_its_modules() -> None:
    """A module, once imported, is an attribute of its package and would stand in for the name."""
    modules = {file.stem for file in (ROOT / "registry").glob("*.py")}
    registry = importlib.import_module("registry")
    assert not modules & set(registry.ON_FIRST_USE)
    assert set(registry.ON_FIRST_USE) <= set(registry.__all__)


def test_every_package_asked_for_is_a_direct_dependency_and_used() -> None:
    asked = "tensorflow keras mlflow fastapi uvicorn slowapi jose sqlalchemy pyodbc streamlit"
    names = " ".join(PROJECT["project"]["dependencies"])
    sources = "\n".join(
        file.read_text()
        for name in PACKAGES
        for file in (ROOT / name.replace(".", "/")).glob("*.py")
    )
    for name in [*asked.split(), "pandas", "kaggle"]:
        assert name in names
        assert f"import {name}" in sources or f"from {name}" in sources or f"+{name}" in sources


def test_the_lock_pins_every_requirement_with_its_hash() -> None:
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    pinned = [line for line in lines if line and not line.startswith((" ", "#"))]
    assert len(pinned) > 100
    assert all("==" in line and line.endswith("\\") for line in pinned)
