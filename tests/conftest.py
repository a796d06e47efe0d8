"""Fixtures that several kinds of test share."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # its threads spin beside the other worker's

# No test asks anything of the outside world: its certificates take httpx 25 ms a client to read.
os.environ.pop("SSL_CERT_FILE", None)
os.environ["SSL_CERT_DIR"] = str(Path(__file__).parent)

from leafgate.manifest import Manifest
from leafgate.settings import Settings
from tests.colours import make_colour_folder
from tests.databases import (  # noqa: F401 - fixtures
    bare_database,
    bare_database_url,
    database,
    database_url,
    embedded,
    lasting_database,
    migrated_file,
    migrated_template,
    postgresql_server,
)
from tests.logins import bare_logins, granted_template, logins  # noqa: F401 - fixtures
from tests.manifests import kubernetes  # noqa: F401 - a fixture
from tests.running_log import outbox_folder, start_log  # noqa: F401 - fixtures


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Tests see no LEAFGATE_ settings of the machine, but for those meant for tests."""
    for name in list(os.environ):
        if name.startswith("LEAFGATE_") and not name.startswith(("LEAFGATE_TEST", "LEAFGATE_REQ")):
            monkeypatch.delenv(name)
    yield


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Embedded defaults in a folder of their own, with a signing secret."""
    return Settings(
        _env_file=None,  # type: ignore[call-arg]
        var_dir=tmp_path / "var",
        jwt_secret="s" * 40,  # type: ignore[arg-type]
        inception_weights="none",
    )


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """State with an MLflow store that holds nothing, to be copied: its tables take seconds."""
    from registry import ModelStore

    made = Settings(_env_file=None, var_dir=tmp_path_factory.mktemp("empty") / "var")  # type: ignore[call-arg]
    ModelStore(made).client.search_registered_models()
    return made.var_dir


@pytest.fixture(scope="session")
def colour_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve pictures of each of three colours."""
    return make_colour_folder(tmp_path_factory.mktemp("colours") / "images")


@pytest.fixture(scope="session")
def colour_manifest(colour_folder: Path) -> Manifest:
    """Their split: some of each colour on the test side."""
    from training.data.folder import scan_folder
    from training.data.split import split

    return split(scan_folder(colour_folder), (0.5, 0.25, 0.25))


@pytest.fixture(autouse=True)
def _own_main() -> Iterator[None]:
    """Streamlit's test driver puts its script in the place of `__main__`, and leaves it there: a
    process that is spawned later would begin by running that.
    """
    main = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = main
