"""Who has the scope moves models through the API; the service follows and the audit tells of it."""

import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from leafgate.audit import AuditRecord
from leafgate.audit_key import SigningKey, trusted_keys
from leafgate.gating import look_at, open_ledger
from leafgate.manifest import Manifest
from registry import Move, Moved, Question, audit_problems, run_gate
from serving import hash_password
from sql import add_user, open_database
from tests.integration.conftest import PASSWORD, RunningApi, api_settings, starting_apis
from tests.integration.test_api_answers import png
from tests.policies import write_policy

CLASSIFIER = "leaf-classifier"
ROOT = "root (signed in at the service)"
MOST = 24


@pytest.fixture(scope="module")
def api(two_versions: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApi]:
    """Version 1 is in production, version 2, always wrong, in staging; a key is made on the way.

    client: signed in as root, with scope admin.
    """
    folder = tmp_path_factory.mktemp("moves")
    var_dir = Path(shutil.copytree(two_versions, folder / "var"))
    of_other_tests = SigningKey(bytes.fromhex("a1" * 32)).public_key_hex
    embedded = {"database_url": "", "audit_key": None, "audit_public_keys": of_other_tests}
    limits = {"bake_minutes": 0, "move_limit": f"{MOST}/minute"}
    with starting_apis() as start:
        api = start(api_settings(var_dir, folder, **limits, **embedded))
        database, hashed = open_database(api.settings.database), hash_password(PASSWORD)
        for name in ("root", "sue"):
            add_user(database, name, hashed, ("admin", "predict"))
        database.dispose()
        api.client.headers["Authorization"] = f"Bearer {api.token('root')}"
        yield api


def ask(api: RunningApi, how: str, name: str = CLASSIFIER, **body: Any) -> tuple[int, Any]:
    """Status, and the answer or the code of the refusal."""
    said = {"reason": "complaints from the field", **body}
    answer = api.client.post(f"/models/{name}/{how}", json=said, timeout=90)
    told = answer.json()
    return answer.status_code, told if answer.is_success else told["code"]


def served(api: RunningApi) -> int:
    return int(api.client.get("/models").json()[0]["version"])


def records(api: RunningApi) -> tuple[AuditRecord, ...]:
    """Of the classifier; they are sound."""
    store, found = look_at(api.settings, CLASSIFIER)
    assert audit_problems(store, CLASSIFIER, found, trusted_keys(api.settings)) == ()
    return found


def test_who_may_not_or_gives_no_reason_moves_nothing(api: RunningApi) -> None:
    before = records(api)
    body = {"version": 2, "reason": "because"}
    for how in ("promote", "rollback", "hold", "release"):
        url = f"{api.url}/models/{CLASSIFIER}/{how}"
        codes = [
            httpx.post(url, json=body, headers=headers).json()["code"]
            for headers in ({}, {"Authorization": f"Bearer {api.token('ada')}"})
        ]
        assert codes == ["token_missing", "scope_missing"]
    assert ask(api, "hold", "leaf", version=2) == (404, "no_such_model")
    assert ask(api, "promote", version=2, reason=" \n") == (422, "no_reason")
    for wrong in (
        {"version": None},
        {"version": 0},
        {"version": "2"},
        {"version": 2, "reason": "a\tb"},
        {"version": 2, "reason": "x" * 501},
        {"version": 2, "reason": None},
    ):
        assert ask(api, "promote", **wrong) == (422, "invalid_request")
    assert records(api) == before


def test_who_asks_too_often_has_to_wait(api: RunningApi) -> None:
    headers = {"Authorization": f"Bearer {api.token('sue')}"}
    url = f"{api.url}/models/{CLASSIFIER}/"
    body = {"version": 2, "reason": " "}
    hows = ["promote", "rollback", "hold", "release"] * 7
    codes = [httpx.post(url + how, json=body, headers=headers).json()["code"] for how in hows]
    assert codes == ["no_reason"] * MOST + ["too_many_requests"] * (len(hows) - MOST)


def test_a_version_is_promoted_and_of_two_that_roll_back_at_once_one_does(api: RunningApi) -> None:
    status, told = ask(api, "promote", version=2, reason="let us see\nhow it does")
    assert status == 200, told
    assert (told["version"], told["before"], told["who"]) == (2, 1, ROOT)
    assert told["told"] == (
        "leaf-classifier version 2 is in production in place of version 1, by force; the gate has "
        "not judged it"
    )
    assert served(api) == 2
    answer = api.client.post("/predict", files={"file": ("a.png", png("red"))}).json()
    assert (answer["model"]["version"], answer["class"] == "red") == (2, False)

    with ThreadPoolExecutor() as pool:
        back = [pool.submit(ask, api, "rollback", version=2) for _ in range(2)]
        answers = sorted((future.result() for future in back), key=lambda answer: answer[0])
    assert [status for status, _ in answers] == [200, 409]
    assert answers[0][1]["told"].startswith("leaf-classifier version 1 is in production again")
    assert answers[1][1] == "not_in_production"
    assert served(api) == 1
    moves = [record for record in records(api) if record.action == "moved"][-2:]
    assert [(move.by, move.who, move.to_version) for move in moves] == [
        ("force", ROOT, 2),
        ("rollback", ROOT, 1),
    ]
    assert moves[0].reason == "let us see\nhow it does"


def test_what_is_held_no_gate_promotes_and_nothing_goes_back_to_until_it_is_released(
    api: RunningApi, colour_manifest: Manifest, tmp_path: Path
) -> None:
    with pytest.raises(httpx.ReadTimeout):  # a move whose asker has hung up is finished
        body = {"version": 2, "reason": "I have to go"}
        api.client.post(f"/models/{CLASSIFIER}/hold", json=body, timeout=0.5)
    assert ask(api, "rollback", version=None) == (409, "on_hold")

    policy = write_policy(tmp_path, "enough_images: {at_least: 2}")
    colour_manifest.save(tmp_path / "split.csv")
    question = Question(CLASSIFIER, 2, policy, tmp_path / "split.csv", colour_manifest.root)
    report = run_gate(open_ledger(api.settings), question).report
    assert (report.decision, report.hold and report.hold.reason) == ("on hold", "I have to go")

    status, told = ask(api, "release", version=2, reason="it was a mistake")
    assert status == 200, told
    assert (told["version"], told["before"]) == (1, 1)
    holds = [record for record in records(api) if record.by == "person"]
    assert [(record.action, record.who) for record in holds] == [("held", ROOT), ("released", ROOT)]
    assert served(api) == 1


@contextmanager
def full_disk(api: RunningApi) -> Iterator[None]:
    """The outbox takes no more while the block runs."""
    file = api.app.state.leafgate.log._outbox._writing
    file.execute("PRAGMA query_only=1")
    try:
        yield
    finally:
        file.execute("PRAGMA query_only=0")


def test_what_cannot_be_recorded_is_not_done_and_is_once_there_is_room_again(
    api: RunningApi,
) -> None:
    assert ask(api, "promote", version=2)[0] == 200
    other = api.token("root")
    before, live = records(api), served(api)
    with full_disk(api):
        for how, version in {"rollback": 2, "promote": 1, "hold": 1, "release": 1}.items():
            assert ask(api, how, version=version) == (503, "log_unavailable")
        refused = [
            api.client.post("/models/reload"),
            api.client.post("/token/revoke", headers={"Authorization": f"Bearer {other}"}),
        ]
        assert [each.json()["code"] for each in refused] == ["log_unavailable"] * 2
        assert httpx.get(f"{api.url}/health").json()["request_log"]["problem"]
    assert records(api) == before
    for _ in range(100):  # it notices by itself, without a request that is recorded
        if httpx.get(f"{api.url}/health").json()["request_log"]["problem"] is None:
            break
        time.sleep(0.05)
    else:
        raise AssertionError("the disk has room again, and nobody noticed")
    assert api.client.get("/models", headers={"Authorization": f"Bearer {other}"}).is_success
    assert served(api) == live == 2
    assert ask(api, "rollback", version=2)[0] == 200


def test_what_was_done_and_could_not_be_recorded_is_told_as_it_is(
    api: RunningApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk becomes full while a move is under way."""
    moves = api.app.state.leafgate.moves
    carry_out = moves._carry_out
    file = api.app.state.leafgate.log._outbox._writing

    def then_full(move: Move) -> Moved:
        moved = carry_out(move)
        file.execute("PRAGMA query_only=1")
        return moved

    dropped = httpx.get(f"{api.url}/health").json()["request_log"]["dropped"]
    monkeypatch.setattr(moves, "_carry_out", then_full)
    try:
        answer = api.client.post(
            f"/models/{CLASSIFIER}/hold", json={"version": 2, "reason": "wrong"}, timeout=90
        )
    finally:
        file.execute("PRAGMA query_only=0")
    assert answer.status_code == 200, answer.text
    assert answer.headers["X-Request-Log"] == "failed"
    assert records(api)[-1].action == "held"
    assert httpx.get(f"{api.url}/health").json()["request_log"]["dropped"] == dropped + 1
    monkeypatch.undo()
    released = api.client.post(
        f"/models/{CLASSIFIER}/release", json={"version": 2, "reason": "right"}, timeout=90
    )
    assert released.status_code == 200
    assert "X-Request-Log" not in released.headers
