"""What `docker build` sends to the builder, by Docker's own rules for .dockerignore."""

import re
import subprocess
from importlib import import_module
from pathlib import Path

import pytest

from tests.compose_files import ROOT

DOCKERFILES = sorted((ROOT / "docker").glob("*.Dockerfile"))
SECRETS = (
    ".env",
    ".env.production",
    ".git/config",
    "LEAFGATE.key",
    "dashboard/.streamlit/secrets.toml",
    "data/patient.png",
    "docker/.env",
    "docker/backup/env",
    "docker/k8s/secrets.yaml",
    "docker/mlflow/.env",
    "docker/mlflow/key.pem",
    "docker/odbc/server.key",
    "docker/proxy/key.pem",
    "docker/tls/cert.pem",
    "docker/tls/chain/key.pem",
    "docker/tls/key",
    "docker/tls/key.pem",
    "leafgate/audit.key",
    "leafgate/var/leafgate.db",
    "registry/kaggle.json",
    "serving/jwt.pem",
    "sql/leafgate.db",
    "sql/leafgate.db-wal",
    "training/mlflow.token",
    "var/audit.key",
    "var/demo/account.json",
    "var/mlflow.token",
)


def sent(root: Path) -> set[str]:
    """The files of a folder that its .dockerignore lets through."""
    rules = [
        line.strip()
        for line in (root / ".dockerignore").read_text().splitlines()
        if line.strip() and not line.startswith("#")
    ]
    found: set[str] = import_module("docker.utils.build").exclude_paths(str(root), rules)
    return {name for name in found if (root / name).is_file()}


def tracked() -> set[str]:
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines())


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A checkout in which secrets lie wherever people put them."""
    for name in (*tracked(), *SECRETS):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("secret")
    (tmp_path / ".dockerignore").write_text((ROOT / ".dockerignore").read_text())
    return tmp_path


def test_no_secret_reaches_a_stage_of_any_image(tree: Path) -> None:
    assert sent(tree) & set(SECRETS) == set()


def test_what_is_sent_is_what_images_are_built_of_and_all_of_that(tree: Path) -> None:
    let_in = sent(tree)
    assert let_in <= tracked()
    packages = ("benchmarks", "dashboard", "leafgate", "registry", "serving", "sql", "training")
    needed = {name for name in tracked() if name.split("/")[0] in packages}
    assert {name for name in needed if not name.rpartition("/")[2].startswith(".")} <= let_in
    assert {"LICENSE", "README.md", "pyproject.toml"} <= let_in
    assert not {name for name in let_in if name.split("/")[0] in ("tests", "docs", "var", "data")}


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda file: file.name)
def test_everything_that_a_dockerfile_copies_is_sent(tree: Path, file: Path) -> None:
    let_in = sent(tree)
    for arguments in re.findall(r"^COPY (?!--from)(.*)$", file.read_text(), re.MULTILINE):
        for source in arguments.split()[:-1]:
            assert source == "." or any(
                name == source or name.startswith(f"{source}/") for name in let_in
            ), source
