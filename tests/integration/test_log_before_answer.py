"""No answer without its record: it is on disk before the last byte, or the answer is a 503."""

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from sql import folder_of, mover
from sql.records import Rows, rows_of
from tests.integration.conftest import PASSWORD, RunningApi, StartApi, api_settings
from tests.integration.test_api_answers import png, stored


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Entries stay in the outbox for the length of the test."""
    monkeypatch.setattr(mover, "GATHER_SECONDS", 60)


def on_disk(api: RunningApi) -> dict[str, Rows]:
    """What lies in the outboxes, by the id of the request."""
    found = {}
    for file in folder_of(api.settings.var_dir, api.settings.database).glob("*.db"):
        with sqlite3.connect(file) as connection:
            for (body,) in connection.execute("SELECT body FROM entries"):
                rows = rows_of(body)
                found[rows["requests"][0]["id"]] = rows
    return found


@pytest.mark.usefixtures("slow")
def test_what_was_answered_is_on_disk_whatever_the_answer(
    served_var: Path, tmp_path: Path, start_api: StartApi
) -> None:
    api = start_api(api_settings(served_var, tmp_path))
    leaf = {"file": ("Blätter 🍂.png", png())}
    answers = [
        api.client.post("/predict", files=leaf),
        api.client.post("/explain", files=leaf),
        api.client.post("/predict", files={"file": b"no image"}),
        api.client.post("/predict/batch", files=[("files", png()), ("files", b"no image")]),
        api.client.get("/generate", params={"n": 40, "seed": 3, "format": "zip"}),
        httpx.post(f"{api.url}/predict", files=leaf),
        api.client.get("/nowhere"),
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 415, 200, 200, 401, 404]
    found = on_disk(api)
    rows = [found[answer.headers["x-request-id"]] for answer in answers]
    assert [each["requests"][0]["status"] for each in rows] == [200, 200, 415, 200, 200, 401, 404]
    assert rows[0]["predictions"][0]["file_name"] == "Blätter 🍂.png"
    assert rows[0]["predictions"][0]["most_probable"].startswith('[["red"')
    assert rows[2]["predictions"][0]["error_code"] == "not_an_image"
    assert [(p["position"], p["status"]) for p in rows[3]["predictions"]] == [(0, 200), (1, 415)]
    assert (rows[4]["generations"][0]["made"], rows[4]["requests"][0]["images"]) == (40, 40)
    assert {each["requests"][0]["user_name"] for each in rows[:5]} == {"ada"}


@pytest.mark.usefixtures("slow")
def test_with_pseudonyms_no_name_address_or_file_name_reaches_the_disk(
    served_var: Path, tmp_path: Path, start_api: StartApi
) -> None:
    hidden = {"log_identities": "pseudonyms", "log_identity_key": "k" * 40}
    api = start_api(api_settings(served_var, tmp_path, **hidden))
    answers = [
        api.client.post("/predict", files={"file": ("Frau Müller.png", png())}) for _ in range(2)
    ]
    rows = [on_disk(api)[answer.headers["x-request-id"]] for answer in answers]
    users = {each["requests"][0]["user_name"] for each in rows}
    assert len(users) == 1
    assert users.pop().startswith("user-")
    assert rows[0]["requests"][0]["source"].startswith("address-")
    assert rows[0]["predictions"][0]["file_name"] is None


@pytest.mark.usefixtures("slow")
def test_of_a_flood_that_the_address_limit_refuses_the_log_holds_the_number(
    served_var: Path, tmp_path: Path, start_api: StartApi
) -> None:
    api = start_api(api_settings(served_var, tmp_path, address_limit="20/minute"))
    with httpx.Client(base_url=api.url) as stranger:
        path = "/" + "x" * 6_000
        answers = [stranger.get(path, headers={"X-Junk": "y" * 500}) for _ in range(300)]
    assert [answer.status_code for answer in answers] == [404] * 19 + [429] * 281
    rows = [each["requests"][0] for each in on_disk(api).values()]
    assert len(rows) == 20  # signing in was the first
    assert all(len(row["endpoint"]) <= 200 for row in rows)
    assert outbox_bytes(api) < 200_000
    assert "leafgate_request_log_counted 281.0" in httpx.get(f"{api.url}/metrics").text
    asyncio.run(api.app.state.leafgate.counted.write())
    (counted,) = [
        each["requests"][0]
        for each in on_disk(api).values()
        if each["requests"][0]["request_count"] > 1
    ]
    assert (counted["request_count"], counted["status"]) == (281, 429)
    assert (counted["error_code"], counted["source"]) == ("too_many_requests", "127.0.0.1")


@pytest.mark.usefixtures("slow")
def test_of_a_flood_without_a_token_the_log_holds_the_first_of_a_minute_and_the_number(
    served_var: Path, tmp_path: Path, start_api: StartApi
) -> None:
    api = start_api(api_settings(served_var, tmp_path, logged_refusals=10))
    with httpx.Client(base_url=api.url) as stranger:
        asks = [
            lambda: stranger.post("/predict"),
            lambda: stranger.get("/predict"),
            lambda: stranger.get("/no/such/path"),
            lambda: stranger.get("/.well-known/jwks.json"),
            lambda: stranger.post("/token", data={"username": "ada", "password": "wrong"}),
            lambda: stranger.post("/feedback", content=b"x" * 100_000),
            lambda: stranger.post("/predict", headers={"Authorization": "Bearer x"}),
        ]
        statuses = [ask().status_code for _ in range(8) for ask in asks]
    assert set(statuses) == {401, 404, 405, 413, 429}
    assert len(on_disk(api)) <= 21  # ten, and ten more where the minute was over meanwhile
    counted = api.app.state.leafgate.counted
    assert counted.total + len(on_disk(api)) - 1 == len(statuses)


def outbox_bytes(api: RunningApi) -> int:
    folder = folder_of(api.settings.var_dir, api.settings.database)
    with sqlite3.connect(next(folder.glob("*.db"))) as connection:
        return int(connection.execute("SELECT SUM(LENGTH(body)) FROM entries").fetchone()[0])


@pytest.fixture
def tiny_log(
    slow: None, served_var: Path, tmp_path: Path, start_api: StartApi
) -> Iterator[RunningApi]:
    """An API whose outbox holds three entries; one is that of signing in."""
    yield start_api(api_settings(served_var, tmp_path, outbox_limit=3))


def test_an_api_that_can_record_no_more_refuses_and_says_so_until_it_can(
    tiny_log: RunningApi,
) -> None:
    api, leaf = tiny_log, {"file": png()}
    assert [api.client.post("/predict", files=leaf).status_code for _ in range(2)] == [200, 200]
    refused = api.client.post("/predict", files=leaf)
    assert (refused.status_code, refused.json()["code"]) == (503, "log_full")
    assert int(refused.headers["retry-after"]) >= 1
    health = httpx.get(f"{api.url}/health").json()
    assert health["status"] == "degraded"
    assert (health["request_log"]["full"], health["request_log"]["backlog"]) == (True, 3)
    assert 'leafgate_refused_total{reason="log_full"} 1.0' in httpx.get(f"{api.url}/metrics").text
    assert api.app.state.leafgate.log.flush()
    answer = api.client.post("/predict", files=leaf)
    assert answer.status_code == 200
    assert api.app.state.leafgate.log.flush()
    assert stored(api, answer.json()["request_id"])["class_name"] == "red"


def test_an_answer_that_cannot_be_recorded_does_not_go_out(api: RunningApi) -> None:
    log = api.app.state.leafgate.log
    assert log.flush()
    file = log._outbox._writing
    file.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    (pages,) = file.execute("PRAGMA page_count").fetchone()
    file.execute(f"PRAGMA max_page_count={pages}")
    for _ in range(40):  # until the page that there is, is full
        refused = api.client.post("/predict", files={"file": png()})
        if refused.status_code != 200:
            break
    assert (refused.status_code, refused.json()["code"]) == (503, "log_unavailable")
    assert "confidence" not in refused.text
    assert httpx.get(f"{api.url}/health").json()["status"] == "degraded"
    file.execute("PRAGMA max_page_count=1000000")
    assert api.client.post("/predict", files={"file": png()}).status_code == 200
    assert httpx.get(f"{api.url}/health").json()["status"] == "ok"


def test_a_database_deleted_under_the_api_loses_nothing_that_was_answered(
    served_var: Path, tmp_path: Path, start_api: StartApi
) -> None:
    api = start_api(api_settings(served_var, tmp_path))
    log = api.app.state.leafgate.log
    assert log.flush()
    file = Path(api.settings.database.removeprefix("sqlite:///"))
    with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(tmp_path / "b")) as copy:
        source.backup(copy)
    for ending in ("", "-wal", "-shm"):
        Path(f"{file}{ending}").unlink(missing_ok=True)

    answers = [api.client.post("/predict", files={"file": png()}) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200] * 5
    health = httpx.get(f"{api.url}/health").json()
    assert (health["status"], health["request_log"]["backlog"]) == ("degraded", 5)
    form = {"username": "ada", "password": PASSWORD}
    refused = httpx.post(f"{api.url}/token", data=form)
    assert (refused.status_code, refused.json()["code"]) == (503, "database_away")
    assert not file.exists()

    (tmp_path / "b").rename(file)
    assert httpx.post(f"{api.url}/token", data=form).status_code == 200
    assert log.flush()
    for answer in answers:
        assert stored(api, answer.json()["request_id"])["class_name"] == "red"
