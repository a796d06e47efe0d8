"""What the classifier says of generated pictures, and pictures on the way between two seeds."""

import base64
import io
import json
import zipfile
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import sqlalchemy as sa
from PIL import Image

from leafgate.images import decode
from leafgate.replay import replay
from serving import hash_password
from sql import Span, add_user, analytics, open_database
from sql.read_classes import read_classes
from sql.schema import generations, predictions
from tests.integration.conftest import PASSWORD, RunningApi, StartApi, api_settings

IN_TURN = ["blue", "green", "red"]
NO_WAYS: tuple[tuple[dict[str, int], str], ...] = (
    ({"n": 1, "to_seed": 9}, "to_seed=9"),
    ({"n": 65, "to_seed": 9}, "n=65"),
    ({"to_seed": -1}, "to_seed=-1"),
    ({"to_seed": 2**32}, "to_seed=4294967296"),
)


@pytest.fixture
def both(classes_var: Path, tmp_path: Path, start_api: StartApi) -> RunningApi:
    return start_api(api_settings(classes_var, tmp_path))


def ask(api: RunningApi, **params: Any) -> dict[str, Any]:
    answer = api.client.get("/generate", params={"n": 3, "seed": 5, **params})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def refusal(api: RunningApi, **params: Any) -> tuple[int, str, str]:
    answer = api.client.get("/generate", params={"n": 3, "seed": 5, **params})
    told = answer.json()
    return answer.status_code, told["code"], told["detail"]


def pngs(told: dict[str, Any]) -> list[bytes]:
    return [base64.b64decode(image["png_base64"]) for image in told["images"]]


def text(png: bytes) -> dict[str, str]:
    return dict(Image.open(io.BytesIO(png)).text)  # type: ignore[attr-defined]


def manifest(data: bytes) -> dict[str, Any]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return dict(json.loads(archive.read("manifest.json")))


def rows(api: RunningApi, table: sa.Table) -> list[dict[str, Any]]:
    api.app.state.leafgate.log.flush()
    assert api.app.state.leafgate.log.waiting_on_this_host().entries == 0
    with open_database(api.settings.database).connect() as connection:
        return [dict(row) for row in connection.execute(sa.select(table)).mappings()]


def test_each_picture_is_read_as_predict_reads_it_and_no_reading_counts_as_a_diagnosis(
    both: RunningApi,
) -> None:
    told = ask(both, n=40, readings=True)
    streamed = both.client.post(
        "/generate", json={"n": 40, "seed": 5, "readings": True, "format": "zip"}
    )
    read = [image["reading"] for image in told["images"]]
    about = manifest(streamed.content)
    assert about["readings"] == [pytest.approx(each, abs=1e-5) for each in read]
    assert about["read_by"] == told["read_by"]
    assert rows(both, predictions) == []
    assert both.app.state.leafgate.models.classifier.live.tally.figures().images == 0

    for png, reading in list(zip(pngs(told), read, strict=True))[:4]:
        one = both.client.post("/predict", files={"file": ("made.png", png)}).json()
        assert told["read_by"] == one["model"]
        assert (reading["class"], reading["unknown"]) == (one["class"], one["unknown"])
        assert reading["confidence"] == pytest.approx(one["confidence"], abs=1e-5)
    assert len(rows(both, predictions)) == 4
    assert all(replay(both.settings, row["id"]).same for row in rows(both, generations))


def test_what_is_read_is_logged_with_the_reader_and_counted_apart(both: RunningApi) -> None:
    told = ask(both, n=7, readings=True)
    both.client.post("/generate", json={"n": 7, "seed": 5, "readings": True, "format": "zip"})
    ask(both, n=2)
    read = Counter(image["reading"]["class"] for image in told["images"])
    with_readings, streamed, without = sorted(rows(both, generations), key=lambda row: row["id"])
    for row in (with_readings, streamed):
        assert (row["reader_name"], row["reader_version"]) == ("leaf-classifier", 1)
        kept = {each.class_name: each.pictures for each in read_classes(row["read_classes"])}
        assert kept == read
    assert (without["reader_name"], without["read_classes"]) == (None, None)
    now = datetime.now(UTC)
    span = Span(now - timedelta(minutes=5), now + timedelta(minutes=5))
    database = open_database(both.settings.database)
    found = analytics.read_frequency(database, span)
    assert {row.class_name: row.pictures for row in found} == {
        name: 2 * count for name, count in read.items()
    }
    assert analytics.disease_frequency(database, span) == ()
    assert [row.name for row in analytics.made_sizes(database, span)] == ["2", "7"]
    assert analytics.batch_sizes(database, span) == ()


def test_a_picture_that_the_classifier_fails_on_is_there_without_a_reading(
    both: RunningApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = both.app.state.leafgate.models.classifier.live
    run = live.batcher._run

    def fail_on_blue(images: Any) -> Any:
        if any(image[..., 2].mean() > image[..., 0].mean() + 60 for image in images):
            raise RuntimeError("blue")
        return run(images)

    monkeypatch.setattr(live.batcher, "_run", fail_on_blue)
    read = [image["reading"] for image in ask(both, readings=True)["images"]]
    assert read[0] is None
    assert [each["class"] for each in read[1:]] == IN_TURN[1:]
    assert live.tally.figures().failed == 0

    monkeypatch.undo()
    live.batcher.close()  # as one that was swapped away twice, after the series was begun
    read = [image["reading"] for image in ask(both, readings=True)["images"]]
    assert [each["class"] for each in read] == IN_TURN


def test_readings_need_the_right_to_classify_and_a_form_that_holds_them(
    classes_var: Path, tmp_path: Path, start_api: StartApi
) -> None:
    api = start_api(api_settings(classes_var, tmp_path, generate_limit="10/hour"))
    add_user(open_database(api.settings.database), "max", hash_password(PASSWORD), ["generate"])
    header = {"Authorization": f"Bearer {api.token('max')}"}
    for params, status in (({"readings": True}, 403), ({}, 200)):
        answer = httpx.get(f"{api.url}/generate", params={"n": 1, **params}, headers=header)
        assert answer.status_code == status
        assert status == 200 or answer.json()["code"] == "scope_missing"
    status, code, detail = refusal(api, readings=True, format="png")
    assert (status, code) == (422, "invalid_request")
    assert "format=png" in detail
    body = api.client.post("/generate", json={"n": 1, "readings": "yes"})
    assert (body.status_code, body.json()["code"]) == (422, "invalid_request")

    status, code, detail = refusal(api, n=6, readings=True)
    assert (status, code) == (422, "out_of_range")
    assert "costs 12 images" in detail
    ask(api, n=5, readings=True)
    answer = api.client.get("/generate", params={"n": 1})
    assert answer.json()["fix"] == f"wait {answer.headers['Retry-After']} s, as Retry-After says"


def test_without_a_classifier_pictures_are_made_and_not_read(
    classes_var: Path, tmp_path: Path, start_api: StartApi
) -> None:
    api = start_api(api_settings(classes_var, tmp_path, classifier_name="nobody"))
    status, code, detail = refusal(api, readings=True)
    assert (status, code) == (503, "no_production_model")
    assert "nobody" in detail
    ask(api)
    assert [row["made"] for row in rows(api, generations)] == [3]


def test_the_way_begins_and_ends_with_the_pictures_of_its_seeds(both: RunningApi) -> None:
    for asked in ({}, {"class": "red"}):
        way = ask(both, n=40, to_seed=9, **asked)
        (first,), (last,) = (pngs(ask(both, n=1, seed=seed, **asked)) for seed in (5, 9))
        made, name = pngs(way), asked.get("class", IN_TURN[0])
        assert (way["seed"], way["to_seed"]) == (5, 9)
        assert {image["class"] for image in way["images"]} == {name}
        assert np.array_equal(decode(made[0]), decode(first))
        assert np.array_equal(decode(made[-1]), decode(last))
        assert not np.array_equal(decode(first), decode(last))
        assert len({decode(each).tobytes() for each in made}) > 30
        assert text(made[3]) == {
            **{"synthetic": "true", "model": "leaf-generator", "version": "1", "class": name},
            **{"seed": "5", "to_seed": "9", "steps": "40", "step": "3"},
        }
    for params, named in NO_WAYS:
        status, code, detail = refusal(both, **params)
        assert (status, code) == (422, "out_of_range")
        assert named in detail


def test_the_way_is_packed_named_and_made_again_from_the_log(both: RunningApi) -> None:
    params: dict[str, Any] = {"n": 4, "seed": 5, "to_seed": 9, "format": "zip"}
    answer = both.client.get("/generate", params={**params, "readings": True})
    about = manifest(answer.content)
    assert "synthetic_5-9.zip" in answer.headers["Content-Disposition"]
    assert (about["seed"], about["to_seed"], about["steps"]) == ("5", "9", "4")
    assert about["files"][1] == "blue/synthetic_5-9_00001.png"
    assert [each["class"] for each in about["readings"]] == ["blue"] * 4
    (row,) = rows(both, generations)
    assert (row["seed"], row["to_seed"], row["made"]) == (5, 9, 4)
    assert replay(both.settings, row["id"]).same
    grid = both.client.get("/generate", params={**params, "format": "png"})
    assert (text(grid.content)["seed"], text(grid.content)["to_seed"]) == ("5", "9")

    unread = both.client.get("/generate", params={"n": 2, "seed": 5, "format": "zip"})
    about = manifest(unread.content)
    assert (about["read_by"], about["readings"]) == (None, [None, None])
    assert "to_seed" not in about
    told = ask(both)
    assert told["read_by"] is told["to_seed"] is told["images"][0]["reading"] is None
