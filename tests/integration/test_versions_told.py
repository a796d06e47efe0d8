"""The API tells all that MLflow knows of model versions, and imports it only where it must."""

import json
import logging
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from dashboard.calls import model_versions as calls
from dashboard.client import ApiClient, ApiProblem
from leafgate.audit import AuditEntry
from leafgate.audit_key import trusted_keys
from leafgate.errors import UserError
from leafgate.gating import open_ledger
from leafgate.settings import Settings
from registry import VersionReader, restore, version_reader
from registry.report import Hold
from registry.store_versions import StoreVersions
from serving import hash_password
from sql import add_user, open_database
from tests.commands import environment, free_port, mlflow_server
from tests.integration.conftest import PASSWORD, RunningApi, StartApi, api_settings, starting_apis
from tests.integration.test_api_answers import stored
from tests.versions import (
    CLASSIFIER,
    CONFUSION,
    EPOCHS,
    GENERATOR,
    ROOT,
    STAMP,
    STUDY,
    Told,
    artifact_file,
    as_stored,
    keep_report,
    png,
)

LATEST = [(epoch, 1 / epoch) for epoch in range(1, EPOCHS)] + [(EPOCHS, 0.125)]
REPORT = f"gate/version-1/{STAMP}"


@pytest.fixture(scope="module")
def server(told: Told, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`leafgate mlflow` over that store."""
    log = tmp_path_factory.mktemp("mlflow") / "log"
    with mlflow_server(told.settings.var_dir, free_port(), log) as url:
        yield url


@pytest.fixture(scope="module", params=["SQLite", "REST"])
def either(request: pytest.FixtureRequest, told: Told) -> Settings:
    """The store as its file, and as a server in front of it."""
    uri = request.getfixturevalue("server") if request.param == "REST" else ""
    return told.settings.model_copy(update={"mlflow_tracking_uri": uri})


@pytest.fixture(scope="module")
def api(either: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApi]:
    """The API over either; no model is served by it."""
    folder, uri = tmp_path_factory.mktemp("api"), either.tracking_uri
    with starting_apis() as start:
        running = start(api_settings(folder / "var", folder, mlflow_tracking_uri=uri))
        # The versions' tags have what the tests wrote with the other way to the store.
        ledger = open_ledger(running.settings)
        restore(ledger.store, ledger.trail, CLASSIFIER, trusted_keys(running.settings))
        database = open_database(running.settings.database)
        add_user(database, "root", hash_password(PASSWORD), ["admin"])
        database.dispose()
        yield running


@pytest.fixture
def client(api: RunningApi) -> ApiClient:
    """Of somebody who may read all names."""
    return ApiClient(api.url, api.token("root"))


def test_however_the_registry_is_read_it_says_the_same(told: Told, either: Settings) -> None:
    reader, by_mlflow = version_reader(either), StoreVersions(told.settings)
    assert not isinstance(reader, StoreVersions)
    run_id = told.whole.run_id

    def all_of(asked: VersionReader) -> list[Any]:
        return [
            asked.versions(CLASSIFIER, 10),
            asked.versions(GENERATOR, 2),
            asked.versions("no-such-model", 10),
            asked.version(CLASSIFIER, told.whole.version),
            asked.version(CLASSIFIER, 99),
            asked.version("no-such-model", 1),
            asked.run(run_id),
            asked.run(told.bare.run_id),
            asked.run("0" * 32),
            asked.run(""),
            asked.curves(run_id, ["val_loss", "lost", "test_macro_f1", "none"]),
            asked.files(run_id, REPORT),
            asked.files(run_id, "gate/no-such-folder"),
            asked.files("0" * 32, REPORT),
            asked.artifact(run_id, "evaluation/test.json", 10_000),
            asked.artifact(run_id, f"{REPORT}/accuracy.png", 10_000),
            asked.artifact(run_id, "evaluation/none.json", 10_000),
            asked.artifact(run_id, "evaluation", 10_000),
            asked.artifact(run_id, "evaluation/test.json/more", 10_000),
            asked.artifact("0" * 32, "evaluation/test.json", 10_000),
        ]

    found = all_of(reader)
    assert found == all_of(by_mlflow)
    assert [each.version for each in found[0]] == [2, 1]
    assert found[3].aliases == ("champion", "previous")
    assert found[6].metrics == {"val_loss": 0.125, "test_macro_f1": 0.95}
    assert found[10]["val_loss"] == tuple(LATEST)
    assert [found[8], found[9], found[12], *found[16:]] == [None, None, {}, *[None] * 4]


@pytest.mark.parametrize(
    "path", ["../test.json", "evaluation/../../x", "/etc/passwd", ".hidden", "a//b", "a\\b", ""]
)
def test_no_artifact_is_read_outside_its_run(told: Told, either: Settings, path: str) -> None:
    for reader in (version_reader(either), StoreVersions(told.settings)):
        assert reader.artifact(told.whole.run_id, path, 10_000) is None
        assert reader.files(told.whole.run_id, path) == {}


def test_no_more_of_an_artifact_is_read_than_asked(
    told: Told, either: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    for reader in (version_reader(either), StoreVersions(told.settings)):
        caplog.clear()
        assert reader.artifact(told.whole.run_id, "evaluation/test.json", 10) is None
        assert "at most 10 are read" in caplog.text


def test_versions_are_told_newest_first_with_their_figures(told: Told, client: ApiClient) -> None:
    bare, whole = calls.versions(client, CLASSIFIER)
    assert calls.versions(client, CLASSIFIER, limit=1) == (bare,)
    assert (bare.version, bare.gate, bare.held, bare.promoted_by) == (2, "not judged", None, None)
    assert (whole.version, whole.gate, whole.promoted_by) == (1, "passed", "ada")
    assert whole.aliases == ("champion", "previous")
    assert whole.run_id == told.whole.run_id
    assert whole.metrics == {"val_loss": 0.125, "test_macro_f1": 0.95}
    assert whole.promoted_at_utc == "2026-01-31T12:00:00.000Z"
    assert whole.created_at_utc.endswith("Z")


def test_a_version_is_told_with_all_that_it_came_from(
    told: Told, client: ApiClient, either: Settings
) -> None:
    story = calls.story(client, CLASSIFIER, 1)
    assert story.version == calls.versions(client, CLASSIFIER)[1]
    assert story.lineage.run_id == told.whole.run_id
    assert (story.lineage.data_digest, story.lineage.artifact_digest) == ("d" * 64, "a" * 64)
    assert (story.lineage.git_commit, story.lineage.git_changed) == ("c" * 40, True)
    assert story.params == {"epochs": str(EPOCHS), "weights": "weights.h5", "flips": "True"}
    assert story.curves == (calls.Curve("val_loss", tuple(LATEST)),)
    assert story.confusion == calls.Confusion(
        "test", tuple(CONFUSION["labels"]), tuple(map(tuple, CONFUSION["confusion"]))
    )
    report = as_stored(artifact_file(told, f"{REPORT}/report.json").read_bytes())
    assert story.gate_report == {**report, "pictures": ["accuracy", "size"]}
    base = either.mlflow_tracking_uri or "http://127.0.0.1:5000"
    assert story.mlflow_url == f"{base}/#/models/leaf-classifier/versions/1"
    assert calls.gate_picture(client, CLASSIFIER, 1, "accuracy") == png()


def test_a_version_of_which_little_is_known_is_told_too(client: ApiClient) -> None:
    story = calls.story(client, CLASSIFIER, 2)
    assert (story.params, story.curves, story.confusion, story.gate_report) == ({}, (), None, None)
    assert (story.lineage.data_digest, story.lineage.artifact_digest) == ("", "")


def test_a_study_is_told_and_broken_ones_are_left_out(
    told: Told, client: ApiClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        (study,) = calls.studies(client, GENERATOR)
    assert (study.version, study.metric) == (told.studied.version, "macro F1")
    assert (study.value, study.low, study.high) == (0.03, 0.01, 0.05)
    assert study.arms == tuple(STUDY["arms"])
    assert study.about == {"seeds": 8, "baseline": {"macro F1": 0.91}}
    assert caplog.text.count("study/gain.json") == 4
    assert calls.studies(client, CLASSIFIER) == ()


def test_where_the_trainer_keeps_its_images_is_never_told(api: RunningApi) -> None:
    paths = ("versions", "versions/1", "versions/2", "audit", "studies")
    for path in paths:
        answer = api.client.get(f"/models/{CLASSIFIER}/{path}")
        assert answer.status_code == 200
        assert ROOT not in answer.text


MISSING = {
    "another model": ("/models/leaf/versions", "no_such_model"),
    "another model's audit": ("/models/leaf/audit", "no_such_model"),
    "another model's studies": ("/models/%2e%2e%5cleaf/studies", "no_such_model"),
    "a version that is not there": (f"/models/{CLASSIFIER}/versions/99", "no_such_version"),
    "its picture": (f"/models/{CLASSIFIER}/versions/99/gate/size", "no_such_version"),
    "no report": (f"/models/{CLASSIFIER}/versions/2/gate/accuracy", "no_such_picture"),
    "no picture": (f"/models/{CLASSIFIER}/versions/1/gate/latency", "no_such_picture"),
    "a file that is no PNG": (f"/models/{CLASSIFIER}/versions/1/gate/size", "no_such_picture"),
    "a way out": (f"/models/{CLASSIFIER}/versions/1/gate/%2e%2e", "no_such_picture"),
    "a backslash": (f"/models/{CLASSIFIER}/versions/1/gate/..%5creport", "no_such_picture"),
    "a NUL": (f"/models/{CLASSIFIER}/versions/1/gate/accuracy%00", "no_such_picture"),
    "a line end": (f"/models/{CLASSIFIER}/versions/1/gate/accuracy%0a", "no_such_picture"),
    "a folder": (f"/models/{CLASSIFIER}/versions/1/gate/..%2faccuracy", "not_found"),
}


def test_what_is_not_there_is_a_404_that_says_what_is(api: RunningApi) -> None:
    for why, (path, code) in MISSING.items():
        answer = api.client.get(path)
        assert (answer.status_code, answer.json()["code"]) == (404, code), why
        assert answer.json()["fix"], why
    assert stored(api, answer.headers["X-Request-ID"])["error_code"] == "not_found"


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=many"])
def test_a_limit_that_is_none_is_refused(api: RunningApi, query: str) -> None:
    answer = api.client.get(f"/models/{CLASSIFIER}/versions?{query}")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


def test_nobody_is_told_anything_without_signing_in(api: RunningApi) -> None:
    for path in ("versions", "versions/1", "versions/1/gate/accuracy", "audit", "studies"):
        answer = httpx.get(f"{api.url}/models/{CLASSIFIER}/{path}")
        assert (answer.status_code, answer.json()["code"]) == (401, "token_missing")


def test_the_audit_is_told_newest_first_and_says_who_holds_a_version_back(
    api: RunningApi, client: ApiClient
) -> None:
    ledger = open_ledger(api.settings)

    def write(action: str, number: int, reason: str) -> None:
        entry = {"model": CLASSIFIER, "action": action, "by": "force", "who": "eve"}
        ledger.write(AuditEntry(**entry, to_version=number, reason=reason))  # type: ignore[arg-type]

    def holds() -> list[tuple[str, str] | None]:
        found = calls.versions(client, CLASSIFIER)
        return [(each.held.who, each.held.reason) if each.held else None for each in found]

    write("held", 2, "too few images of rust")
    assert holds() == [("eve", "too few images of rust"), None]
    assert calls.story(client, CLASSIFIER, 2).version.held is not None
    write("verdict", 2, "all checks passed")
    assert holds()[0] is not None
    write("released", 2, "more images came")
    assert holds() == [None, None]
    write("held", 2, "again")
    write("moved", 2, "forced")
    assert holds() == [None, None]
    told = calls.audit(client, CLASSIFIER, limit=3)
    assert [line.reason for line in told] == ["forced", "again", "more images came"]
    assert (told[0].who, told[0].by, told[0].to_version) == ("eve", "force", 2)
    assert calls.audit(client, GENERATOR) == ()


def test_names_of_people_are_told_to_administrators_alone(
    told: Told, api: RunningApi, client: ApiClient
) -> None:
    """Others see what happened, when and why, and their own name."""
    ledger = open_ledger(api.settings)
    entry = AuditEntry(model=CLASSIFIER, action="held", by="person", to_version=2, reason="why")
    for who in ("mallory", "mallory (signed in at the service)", "eve"):
        ledger.write(replace(entry, who=who))
    keep_report(told.store, told.whole, "on hold", hold=Hold("mallory", "2026", "why"))  # type: ignore[arg-type]
    eve = ApiClient(api.url, api.token("eve"))
    paths = ("versions", "versions/1", "versions/2", "audit")
    for path in paths:
        assert "mallory" not in eve.ask("GET", f"/models/{CLASSIFIER}/{path}").text
    assert "mallory" in "".join(
        client.ask("GET", f"/models/{CLASSIFIER}/{path}").text for path in paths
    )
    assert [line.who for line in calls.audit(eve, CLASSIFIER, limit=3)] == [
        *("eve", "another user", "another user")
    ]
    assert [line.reason for line in calls.audit(eve, CLASSIFIER, limit=3)] == ["why"] * 3
    (held, promoted) = calls.versions(eve, CLASSIFIER)
    assert held.held is not None and held.held.who == "eve"
    assert promoted.promoted_by == "another user"
    report = calls.story(eve, CLASSIFIER, 1).gate_report
    assert report is not None
    assert (report["hold"]["who"], report["judged_by"]) == ("another user", "another user")
    assert "but another user holds it" in report["headline"]
    ledger.write(replace(entry, action="released"))


def test_a_report_that_is_stored_anew_in_its_place_is_told_anew(
    told: Told, client: ApiClient
) -> None:
    for decision in ("passed", "promoted"):
        keep_report(told.store, told.whole, decision)  # type: ignore[arg-type]
        report = calls.story(client, CLASSIFIER, 1).gate_report
        assert report is not None and report["decision"] == decision


def test_with_the_registry_gone_the_answer_is_503_and_the_audit_is_told_still(
    tmp_path: Path, empty_store: Path, start_api: StartApi
) -> None:
    var_dir = Path(shutil.copytree(empty_store, tmp_path / "var"))
    api = start_api(api_settings(var_dir, tmp_path))
    file = var_dir / "mlflow" / "mlflow.db"
    assert api.client.get(f"/models/{CLASSIFIER}/versions").json() == {"versions": []}
    file.unlink()
    for path in ("versions", "versions/1", "versions/1/gate/size", "studies"):
        answer = api.client.get(f"/models/{CLASSIFIER}/{path}")
        assert (answer.status_code, answer.json()["code"]) == (503, "registry_error")
        assert "retry-after" in answer.headers
    assert api.client.get(f"/models/{CLASSIFIER}/audit").json() == {"records": []}


def test_a_server_that_is_away_is_an_error_that_tells_no_password(told: Told) -> None:
    uri = f"http://ada:secret@127.0.0.1:{free_port()}"
    reader = version_reader(told.settings.model_copy(update={"mlflow_tracking_uri": uri}))
    for ask in (
        lambda: reader.versions(CLASSIFIER, 1),
        lambda: reader.version(CLASSIFIER, 1),
        lambda: reader.run("0" * 32),
        lambda: reader.curves("0" * 32, ["loss"]),
        lambda: reader.files("0" * 32, "gate"),
    ):
        with pytest.raises(UserError) as refused:
            ask()
        assert refused.value.code == "registry_error"
        assert "secret" not in str(refused.value)


def test_the_page_reports_a_refusal_with_its_remedy(client: ApiClient) -> None:
    with pytest.raises(ApiProblem) as refused:
        calls.story(client, CLASSIFIER, 99)
    assert (refused.value.code, refused.value.status) == ("no_such_version", 404)


TELL = """
import json, sys
from leafgate.settings import Settings
from serving.version_stories import VersionStories

stories = VersionStories(Settings())
name = "leaf-classifier"
told = [stories.listed(name, 20, ()), stories.story(name, 1, ()), stories.studies(name)]
assert stories.picture(name, 1, "accuracy") and told[1].curves and told[1].gate_report
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


def test_all_is_told_without_importing_anything_heavy(either: Settings) -> None:
    env = environment(either.var_dir, mlflow_tracking_uri=either.mlflow_tracking_uri)
    done = subprocess.run(
        [sys.executable, "-c", TELL], env=env, capture_output=True, text=True, check=True
    )
    heavy = {"mlflow", "tensorflow", "keras", "pandas", "scipy", "sklearn", "matplotlib"}
    assert heavy & set(json.loads(done.stdout)) == set()
