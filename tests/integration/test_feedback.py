"""POST /feedback: what a person says an image shows is stored, and held against what was told."""

from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

from dashboard.calls.diagnosing import Correction, send_feedback
from dashboard.client import ApiClient, ApiProblem
from serving.facts import new_id
from sql import FeedbackRecord, open_database
from sql.schema import feedback
from tests.databases import rename_table
from tests.integration.conftest import RunningApi, StartApi, api_settings
from tests.integration.test_api_answers import eventually, png, stored
from tests.unit.test_corrections import uuid7_of


def diagnosed(api: RunningApi, colour: str = "red") -> str:
    """The id of a diagnosis, once the database has it."""
    answer = api.client.post("/predict", files={"file": ("leaf.png", png(colour))})
    assert answer.json()["class"] == colour
    stored(api, answer.json()["request_id"])
    return str(answer.json()["request_id"])


def correct(
    api: RunningApi, identifier: str, class_name: object, name: str = "eve"
) -> httpx.Response:
    headers = {"Authorization": f"Bearer {api.token(name)}"}
    body = {"request_id": identifier, "class": class_name}
    return httpx.post(f"{api.url}/feedback", json=body, headers=headers)


def rows_of(api: RunningApi, prediction_id: str) -> list[FeedbackRecord]:
    """What is stored of one answer, oldest first."""
    engine = open_database(api.settings.database)
    query = sa.select(feedback).where(feedback.c.prediction_id == prediction_id)
    with engine.connect() as connection:
        found = connection.execute(query.order_by(feedback.c.id)).mappings().all()
    engine.dispose()
    return [FeedbackRecord(**row) for row in found]


def test_a_correction_is_held_against_what_was_told_and_kept_with_who_said_it(
    api: RunningApi,
) -> None:
    identifier = diagnosed(api, "red")
    answer = correct(api, identifier, "green")
    told = answer.json()
    assert answer.status_code == 201, answer.text
    assert (told["prediction_id"], told["class"]) == (identifier, "green")
    assert (told["told"], told["right"], told["known"]) == ("red", False, True)
    assert (told["model"]["name"], told["model"]["version"]) == ("leaf-classifier", 1)
    assert told["request_id"] == answer.headers["X-Request-ID"]
    row = stored(api, told["request_id"])
    assert (row["endpoint"], row["status"], row["user_name"]) == ("/feedback", 201, "eve")
    assert row["model_version"] is None, "no model answered this"
    (kept,) = rows_of(api, identifier)
    assert (kept.id, kept.true_class, kept.user_name) == (told["request_id"], "green", "eve")


def test_a_correction_may_be_changed_and_the_newest_is_the_last(api: RunningApi) -> None:
    identifier = diagnosed(api, "blue")
    answers = [correct(api, identifier, name).json() for name in ("red", "green", "blue")]
    assert [answer["right"] for answer in answers] == [False, False, True]
    stored(api, answers[-1]["request_id"])
    assert [row.true_class for row in rows_of(api, identifier)] == ["red", "green", "blue"]


def test_a_disease_that_no_model_knows_is_taken_and_said_to_be_unknown(api: RunningApi) -> None:
    told = correct(api, diagnosed(api), "  Blattläuse ").json()
    assert (told["class"], told["known"], told["right"]) == ("Blattläuse", False, False)


def test_each_image_of_several_is_corrected_by_its_own_id(api: RunningApi) -> None:
    files = [("files", (f"{name}.png", png(name))) for name in ("red", "green")]
    files.append(("files", ("words.png", b"words")))
    batch = api.client.post("/predict/batch", files=files).json()
    stored(api, batch["request_id"])
    red, green, words = batch["items"]
    assert correct(api, green["id"], "green").json()["right"] is True
    assert correct(api, red["id"], "green").json()["told"] == "red"
    for identifier in (batch["request_id"], words["id"]):
        refused = correct(api, identifier, "green")
        assert (refused.status_code, refused.json()["code"]) == (404, "no_such_request")


def test_an_explanation_is_corrected_too(api: RunningApi) -> None:
    answer = api.client.post("/explain", files={"file": ("leaf.png", png("green"))})
    identifier = answer.headers["X-Request-ID"]
    stored(api, identifier)
    assert correct(api, identifier, "green").json()["right"] is True


def test_an_answer_that_is_on_its_way_to_the_log_can_be_corrected(api: RunningApi) -> None:
    on_its_way = new_id()
    answer = correct(api, on_its_way, "red")
    told = answer.json()
    assert answer.status_code == 202, answer.text
    assert (told["told"], told["right"], told["model"], told["known"]) == (None, None, None, True)
    stored(api, told["request_id"])
    (kept,) = rows_of(api, on_its_way)
    assert kept.true_class == "red"


def test_an_id_that_should_be_there_and_is_not_is_refused_and_not_kept(api: RunningApi) -> None:
    identifier = uuid7_of(1_700_000_000)
    answer = correct(api, identifier, "red")
    told = answer.json()
    assert (answer.status_code, told["code"]) == (404, "no_such_request")
    assert identifier in told["detail"]
    row = stored(api, told["request_id"])
    assert (row["status"], row["error_code"]) == (404, "no_such_request")
    assert rows_of(api, identifier) == []


def test_while_the_database_is_at_fault_corrections_are_taken_and_stored_later(
    api: RunningApi,
) -> None:
    identifier = diagnosed(api, "red")
    engine = open_database(api.settings.database)
    with engine.begin() as connection:
        rename_table(connection, "predictions", "predictions_away")
        rename_table(connection, "feedback", "feedback_away")
    assert correct(api, identifier, "green").status_code == 202
    with engine.begin() as connection:
        rename_table(connection, "predictions_away", "predictions")
        rename_table(connection, "feedback_away", "feedback")
    assert eventually(lambda: [row.true_class for row in rows_of(api, identifier)] == ["green"])
    assert correct(api, identifier, "green").status_code == 201


def test_feedback_needs_its_scope_a_request_s_id_and_a_class(api: RunningApi) -> None:
    identifier = diagnosed(api)
    refusals: list[tuple[httpx.Response, int, str]] = [
        (correct(api, identifier, "red", name="ada"), 403, "scope_missing"),
        (httpx.post(f"{api.url}/feedback", json={}), 401, "token_missing"),
        (correct(api, "01989f6e-7d3a-4c55-b1a0-2f3c4d5e6f70", "red"), 422, "invalid_request"),
        (correct(api, identifier, "a\tb"), 422, "invalid_request"),
        (correct(api, identifier, ""), 422, "invalid_request"),
        (correct(api, identifier, "x" * 201), 422, "invalid_request"),
        (correct(api, identifier, 7), 422, "invalid_request"),
    ]
    for answer, status, code in refusals:
        assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert rows_of(api, identifier) == []


def test_corrections_have_a_limit_of_their_own(
    served_var: Path, tmp_path: Path, start_api: StartApi
) -> None:
    api = start_api(api_settings(served_var, tmp_path, feedback_limit="2/minute"))
    statuses = [correct(api, new_id(), "red").status_code for _ in range(3)]
    assert statuses == [202, 202, 429]
    assert api.client.post("/predict", files={"file": ("a.png", png())}).status_code == 200


def test_the_dashboard_s_client_sends_corrections(api: RunningApi) -> None:
    client = ApiClient(api.url, api.token("eve"))
    identifier = diagnosed(api, "red")
    assert send_feedback(client, identifier, "red") == Correction(True, "red", True)
    assert send_feedback(client, new_id(), "moss") == Correction(False, None, None)
    with pytest.raises(ApiProblem, match="no image was diagnosed"):
        send_feedback(client, uuid7_of(0), "red")
