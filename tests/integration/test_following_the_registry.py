"""The service finds out what is in production, and loads it, without importing MLflow."""

import asyncio
import http.server
import json
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from leafgate.errors import UserError
from leafgate.settings import Settings
from registry import PRODUCTION, ModelStore, ModelVersion, alias_reader
from serving.app import create_app
from tests.commands import environment, free_port, mlflow_server
from tests.integration.conftest import api_settings, prepare_database
from tests.models import have_at_hand, vouch_for_production

CLASSIFIER = "leaf-classifier"
NOTES = {"note": "grün\n'%", "empty": "", "long": "x" * 4000}


def settings_of(var_dir: Path, **overrides: Any) -> Settings:
    return Settings(_env_file=None, var_dir=var_dir, audit_key="a1" * 32, **overrides)


@pytest.fixture(scope="module")
def followed(served_var: Path, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A store of its own with both models in production, and what readers could stumble over."""
    var_dir = tmp_path_factory.mktemp("followed") / "var"
    shutil.copytree(served_var, var_dir)
    shutil.rmtree(var_dir / "models", ignore_errors=True)
    settings = settings_of(var_dir)
    store = ModelStore(settings)
    version = store.get(CLASSIFIER, PRODUCTION)
    store.set_tags(version, NOTES)
    store.set_alias(CLASSIFIER, "a-second-name", version.version)
    source = store.client.get_model_version_download_uri(CLASSIFIER, str(version.version))
    store.client.create_model_version(CLASSIFIER, source, None)
    return settings


@pytest.fixture(scope="module")
def server(followed: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`leafgate mlflow` over that store."""
    log = tmp_path_factory.mktemp("mlflow") / "log"
    with mlflow_server(followed.var_dir, free_port(), log) as url:
        yield url


@pytest.fixture(params=["SQLite", "REST"])
def either(request: pytest.FixtureRequest, followed: Settings) -> Settings:
    """The store as its file, and as a server in front of it."""
    if request.param == "SQLite":
        return followed
    uri = request.getfixturevalue("server")
    return settings_of(followed.var_dir, mlflow_tracking_uri=uri)


def away(tmp_path: Path, **overrides: Any) -> Settings:
    """A registry that nobody answers for."""
    uri = f"http://ada:secret@127.0.0.1:{free_port()}"
    return settings_of(tmp_path / "var", mlflow_tracking_uri=uri, **overrides)


def in_production(settings: Settings) -> ModelVersion:
    version = alias_reader(settings).find(CLASSIFIER, PRODUCTION)
    assert version is not None
    return version


def test_an_alias_is_found_with_all_that_mlflow_says_of_its_version(either: Settings) -> None:
    found = in_production(either)
    assert found == ModelStore(either).find(CLASSIFIER, PRODUCTION)
    assert "a-second-name" in found.aliases
    assert found.tags.items() >= NOTES.items()


def test_an_alias_that_moves_is_found_where_it_went(either: Settings) -> None:
    reader, store = alias_reader(either), ModelStore(either)
    for number in (1, 2, 1):
        store.set_alias(CLASSIFIER, "moving", number)
        found = reader.find(CLASSIFIER, "moving")
        assert found == store.find(CLASSIFIER, "moving")
        assert found is not None and found.version == number
    store.set_alias(CLASSIFIER, "moving", None)
    assert reader.find(CLASSIFIER, "moving") is None


def test_no_such_model_or_alias_is_no_version_and_no_error(either: Settings) -> None:
    reader = alias_reader(either)
    assert reader.find("no-such-model", PRODUCTION) is None
    assert reader.find(CLASSIFIER, "no-such-alias") is None


def test_a_version_is_found_by_its_number_and_the_audit_by_its_tags(either: Settings) -> None:
    reader, store = alias_reader(either), ModelStore(either)
    assert reader.version(CLASSIFIER, 1) == store.get(CLASSIFIER, 1)
    assert reader.version(CLASSIFIER, 99) is None
    assert reader.version("no-such-model", 1) is None
    before = reader.audit_tags(CLASSIFIER)  # of its registration
    store.set_tag(CLASSIFIER, 1, "audit.900001", "of one")
    store.set_tag(CLASSIFIER, 2, "audit.900002", "of another")
    store.set_tag(CLASSIFIER, 2, "auditor", "ada")
    try:
        found = sorted(reader.audit_tags(CLASSIFIER))
        assert found == sorted([*before, "of another", "of one"])
    finally:
        for number in ("1", "2"):
            store.client.delete_model_version_tag(CLASSIFIER, number, f"audit.90000{number}")
    assert reader.audit_tags("no-such-model") == ()


def test_a_store_that_was_not_made_yet_has_no_version(tmp_path: Path) -> None:
    settings = settings_of(tmp_path / "var")
    assert alias_reader(settings).find(CLASSIFIER, PRODUCTION) is None
    file = Path(settings.tracking_uri.removeprefix("sqlite:///"))
    file.parent.mkdir(parents=True)
    sqlite3.connect(file).close()
    assert alias_reader(settings).find(CLASSIFIER, PRODUCTION) is None


def test_a_store_that_is_gone_is_away_and_not_empty(tmp_path: Path, empty_store: Path) -> None:
    settings = Settings(_env_file=None, var_dir=tmp_path / "var")  # type: ignore[call-arg]
    shutil.copytree(empty_store, settings.var_dir)
    reader = alias_reader(settings)
    assert reader.find("leaf-classifier", PRODUCTION) is None
    (settings.var_dir / "mlflow" / "mlflow.db").unlink()
    with pytest.raises(UserError, match="is gone") as raised:
        reader.find("leaf-classifier", PRODUCTION)
    assert raised.value.code == "registry_error"


def test_a_registry_that_is_away_is_an_error_that_tells_no_password(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="MLflow at http") as refused:
        alias_reader(away(tmp_path)).find(CLASSIFIER, PRODUCTION)
    assert refused.value.code == "registry_error"
    assert "secret" not in str(refused.value)


def test_an_address_that_is_none_is_refused_at_the_start(tmp_path: Path) -> None:
    settings = settings_of(tmp_path / "var", mlflow_tracking_uri="http://ada:secret@host:port")
    with pytest.raises(UserError) as refused:
        alias_reader(settings)
    assert refused.value.code == "bad_tracking_uri"
    assert "secret" not in str(refused.value)


def test_a_certificate_that_is_not_there_is_refused_at_the_start(tmp_path: Path) -> None:
    settings = settings_of(tmp_path / "var", mlflow_tracking_uri="https://mlflow.example")
    missing = {"MLFLOW_TRACKING_SERVER_CERT_PATH": str(tmp_path / "ca.pem")}
    with pytest.raises(UserError, match="No such file"):
        alias_reader(settings, missing)


def test_a_file_that_is_no_database_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "mlflow.db"
    file.write_text("not a database" * 100)
    settings = settings_of(tmp_path / "var", mlflow_tracking_uri=f"sqlite:///{file}")
    with pytest.raises(UserError) as refused:
        alias_reader(settings).find(CLASSIFIER, PRODUCTION)
    assert refused.value.code == "registry_error"


def test_tables_of_another_shape_are_left_to_mlflow(
    followed: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("registry.sqlite_file.TAGS", "SELECT word FROM model_version_tags")
    assert in_production(followed) == ModelStore(followed).find(CLASSIFIER, PRODUCTION)


class Recorder(http.server.BaseHTTPRequestHandler):
    """Some other server: it answers every request with a page, and keeps who signed in."""

    seen: list[str | None]

    def do_GET(self) -> None:
        self.seen.append(self.headers["Authorization"])
        self.send_response(403)
        self.end_headers()
        self.wfile.write(b"<html>who are you?</html>")

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.parametrize(
    "signed",
    [
        {},
        {"MLFLOW_TRACKING_TOKEN": "abc"},
        {"MLFLOW_TRACKING_USERNAME": "ada", "MLFLOW_TRACKING_PASSWORD": "pass:wörd"},
        {"MLFLOW_TRACKING_USERNAME": "ada", "MLFLOW_TRACKING_TOKEN": "abc"},
    ],
)
def test_it_signs_in_as_mlflow_does_and_believes_no_other_server(
    signed: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in signed.items():
        monkeypatch.setenv(name, value)
    Recorder.seen = []
    with http.server.HTTPServer(("127.0.0.1", 0), Recorder) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        uri = f"http://127.0.0.1:{other.server_port}"
        settings = settings_of(tmp_path / "var", mlflow_tracking_uri=uri)
        for reader in (alias_reader(settings), ModelStore(settings)):
            with pytest.raises(UserError) as refused:
                reader.find(CLASSIFIER, PRODUCTION)
            assert refused.value.code == "registry_error"
            assert "403" in refused.value.problem
        other.shutdown()
    assert len(Recorder.seen) == 2
    assert Recorder.seen[0] == Recorder.seen[1]


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}


FOLLOW = """
import json, sys
import numpy as np
from leafgate.audit_key import trusted_keys
from leafgate.settings import Settings
from registry import Classifier, LocalCopies, alias_reader, require_vouched
from sql import SqlAuditTrail, open_database

settings = Settings()
version = alias_reader(settings).find(settings.classifier_name, "production")
records = SqlAuditTrail(open_database(settings.database)).records(version.name)
require_vouched(version, records, trusted_keys(settings))
model = Classifier.load(LocalCopies(settings).folder(version), "openvino")
model.predict(np.zeros((1, 8, 8, 3), np.uint8))
print(json.dumps([version.version, sorted({name.partition(".")[0] for name in sys.modules})]))
"""


def test_from_alias_to_answer_nothing_heavy_is_imported(either: Settings, tmp_path: Path) -> None:
    vouch_for_production(either)
    version = in_production(either)
    here = settings_of(tmp_path / "var", mlflow_tracking_uri=either.tracking_uri)
    original = ModelStore(either).stored_folder(version)
    if not either.mlflow_tracking_uri:  # one of the two has to fetch
        shutil.copytree(original, here.models_dir / original.name)
    env = environment(
        here.var_dir,
        mlflow_tracking_uri=here.tracking_uri,
        database_url=either.database,
        audit_key="a1" * 32,
    )
    done = subprocess.run(
        [sys.executable, "-c", FOLLOW], env=env, capture_output=True, text=True, check=True
    )
    number, loaded = json.loads(done.stdout)
    assert number == version.version
    heavy = {"mlflow", "tensorflow", "keras", "pandas", "scipy", "sklearn", "matplotlib"}
    assert heavy & set(loaded) == set()
    assert contents(here.models_dir / original.name) == contents(original)


@pytest.mark.parametrize("patience, answered", [(30.0, 200), (0.0, 503)])
def test_a_start_may_wait_for_the_models_before_it_answers(
    served_var: Path, tmp_path: Path, patience: float, answered: int
) -> None:
    settings = api_settings(served_var, tmp_path, first_look_seconds=patience)
    prepare_database(settings)
    have_at_hand(settings)
    app = create_app(settings)

    async def first_answer() -> int:
        async with app.router.lifespan_context(app):
            asked = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api")
            async with asked as http:
                return (await http.get("/ready")).status_code

    assert asyncio.run(first_answer()) == answered
