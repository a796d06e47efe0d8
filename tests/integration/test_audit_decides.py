"""What the service answers with is what the audit has in production, whatever is done to MLflow or
to the rows of the audit.
"""

import asyncio
import shutil
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from leafgate.cli import app
from leafgate.gating import look_at, open_ledger
from leafgate.settings import Settings
from registry import ModelStore, audit_problems, force, hold
from serving.app import create_app
from sql import open_database
from tests.integration.conftest import RunningApi, StartApi, api_settings
from tests.integration.test_api_answers import (
    classifier_problem,
    eventually,
    png,
    version_answering,
)

NAME = "leaf-classifier"


@pytest.fixture
def api(two_versions: Path, tmp_path: Path, start_api: StartApi) -> RunningApi:
    """Version 2 was promoted after version 1, which is on hold since."""
    settings = api_settings(Path(shutil.copytree(two_versions, tmp_path / "var")), tmp_path)
    api = start_api(settings)
    ledger = open_ledger(settings)
    force(ledger, ledger.store.get(NAME, 2), "it is better")
    hold(ledger, ledger.store.get(NAME, 1), "it confuses rust and scab")
    assert eventually(lambda: version_answering(api) == 2)
    assert eventually(lambda: classifier_problem(api) == "None")
    return api


def after_a_restart(settings: Settings) -> dict[str, Any]:
    """What /health says of the classifier in a process that has just started, if it is ready."""
    service = create_app(settings.model_copy(update={"first_look_seconds": 60.0}))

    async def ask() -> dict[str, Any]:
        async with service.router.lifespan_context(service):
            transport = httpx.ASGITransport(service)
            async with httpx.AsyncClient(transport=transport, base_url="http://api") as http:
                ready = (await http.get("/ready")).status_code
                told = (await http.get("/health")).json()
                return {**told["models"][0], "ready": ready, "status": told["status"]}

    return asyncio.run(ask())


def command(settings: Settings, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> str:
    """What `leafgate models audit` says."""
    monkeypatch.setenv("LEAFGATE_VAR_DIR", str(settings.var_dir))
    monkeypatch.setenv("LEAFGATE_DATABASE_URL", settings.database)
    monkeypatch.setenv("LEAFGATE_AUDIT_KEY", "a1" * 32)
    done = CliRunner().invoke(app, ["models", "audit", NAME, *arguments])
    return f"{done.output}{done.exception or ''}"


def cut(settings: Settings, last: int, tags: bool) -> None:
    """Remove what was written after that record; from the versions' tags, too, where `tags` is."""
    engine = open_database(settings.database)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"DELETE FROM audit WHERE number > {last}")
    engine.dispose()
    store = ModelStore(settings)
    for version in store.versions(NAME) if tags else ():
        for tag in version.tags:
            if tag.startswith("audit.") and int(tag.removeprefix("audit.")) > last:
                store.client.delete_model_version_tag(NAME, str(version.version), tag)


@pytest.mark.parametrize("tags", [False, True])
def test_rows_deleted_at_the_end_and_an_alias_moved_bring_no_version_on_hold_back(
    api: RunningApi, tags: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, store = api.settings, ModelStore(api.settings)
    copy = tmp_path / "audit.jsonl"
    copy.write_text(command(settings, monkeypatch, "--json"))
    seen = len(look_at(settings, NAME)[1])

    cut(settings, seen - 3, tags)  # the promotion of version 2, and the hold
    store.set_alias(NAME, "production", 1)
    assert eventually(lambda: f"this host has seen record {seen}" in classifier_problem(api))
    api.client.post("/models/reload")
    assert version_answering(api) == 2
    assert httpx.get(f"{api.url}/health").json()["status"] == "degraded"
    assert httpx.get(f"{api.url}/ready").status_code == 200
    # The generator has none in production, which is a problem too.
    assert "leafgate_models_with_problem 2.0" in httpx.get(f"{api.url}/metrics").text
    told = after_a_restart(settings)
    assert (told["version"], told["ready"], told["status"]) == (2, 200, "degraded")
    assert "vouched for before" in told["problem"]
    assert f"this host has seen record {seen}" in command(settings, monkeypatch, "--verify")

    leaf = tmp_path / "leaf.png"
    leaf.write_bytes(png())
    by_command = CliRunner().invoke(app, ["predict", str(leaf)])  # version 2 is always wrong
    assert by_command.exit_code == 0 and "\tred\t" not in by_command.stdout

    command(settings, monkeypatch, "--restore", "--from", str(copy))
    assert "agree" in command(settings, monkeypatch, "--verify")
    assert eventually(lambda: classifier_problem(api) == "None")
    assert version_answering(api) == 2


def test_a_host_that_has_seen_nothing_learns_from_the_tags_that_rows_are_gone(
    api: RunningApi, tmp_path: Path
) -> None:
    settings = api.settings
    seen = len(look_at(settings, NAME)[1])
    cut(settings, seen - 3, tags=False)
    ModelStore(settings).set_alias(NAME, "production", 1)
    fresh = {"var_dir": tmp_path / "fresh", "mlflow_tracking_uri": settings.tracking_uri}
    told = after_a_restart(settings.model_copy(update=fresh))
    assert (told["version"], told["ready"]) == (None, 503)
    assert f"record {seen}" in told["problem"]
    assert "it was shortened" in told["problem"]


@pytest.mark.parametrize("hand", ["alias deleted", "alias moved", "version deleted", "model gone"])
def test_a_hand_in_mlflow_ends_no_service(
    api: RunningApi, hand: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, store = api.settings, ModelStore(api.settings)
    if hand == "alias deleted":
        store.client.delete_registered_model_alias(NAME, "production")
        told = "the alias 'production' is missing in MLflow"
    elif hand == "alias moved":
        store.set_alias(NAME, "production", 1)
        told = "the alias 'production' is on version 1"
    elif hand == "version deleted":
        store.client.delete_model_version(NAME, "2")
        told = "version 2, which the audit has in production, is gone from MLflow"
    else:
        store.client.delete_registered_model(NAME)
        told = "version 2, which the audit has in production, is gone from MLflow"
    assert eventually(lambda: told in classifier_problem(api))
    assert version_answering(api) == 2
    assert httpx.get(f"{api.url}/ready").status_code == 200
    again = after_a_restart(settings)
    assert (again["version"], again["ready"], again["status"]) == (2, 200, "degraded")
    assert told in again["problem"]
    if hand.startswith("alias"):
        shutil.rmtree(settings.models_dir)  # a host that has to fetch the files
        assert after_a_restart(settings)["version"] == 2
        assert "is on version 2 again" in command(settings, monkeypatch, "--restore")
        assert eventually(lambda: classifier_problem(api) == "None")
        records = look_at(settings, NAME)[1]
        keys = {open_ledger(settings).key.id: open_ledger(settings).key.public}
        assert audit_problems(store, NAME, records, keys) == ()
