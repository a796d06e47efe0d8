"""Answers that can be made again, the version in staging beside production, and going back."""

import io
import json
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from leafgate.audit import AuditRecord
from leafgate.errors import UserError
from leafgate.gating import open_ledger
from leafgate.replay import replay
from leafgate.settings import Settings
from registry import PRODUCTION, ModelStore, force
from sql import open_database
from tests.commands import environment, leafgate
from tests.integration.conftest import RunningApi, StartApi, api_settings
from tests.integration.test_api_answers import eventually, png, stored
from tests.models import have_at_hand, register_tiny_classifier


def classify(api: RunningApi, data: bytes, path: str = "/predict", **params: Any) -> dict[str, Any]:
    answer = api.client.post(path, params=params, files={"file": ("leaf.png", data)})
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def rows_of(api: RunningApi, lane: str) -> list[dict[str, Any]]:
    import sqlalchemy as sa

    from sql.schema import predictions

    query = sa.select(predictions).where(predictions.c.lane == lane)
    with open_database(api.settings.database).connect() as connection:
        return [dict(row) for row in connection.execute(query).mappings()]


@pytest.mark.parametrize(("path", "params"), [("/predict", {}), ("/predict", {"tta": True})])
def test_an_answer_is_made_again_from_its_receipt_and_the_image(
    api: RunningApi, tmp_path: Path, path: str, params: dict[str, Any]
) -> None:
    data = png("green", 48)
    told = classify(api, data, path, **params)
    image = tmp_path / "sent.png"
    image.write_bytes(data)
    stored(api, told["request_id"])
    found = replay(api.settings, told["request_id"], image)
    assert found.same, found.figures
    assert found.record.artifact_digest == told["model"]["digest"]
    assert found.record.engine == told["model"]["engine"]
    assert vars(found.record)["sha256"] == told["input_sha256"]


def test_another_image_or_none_is_told_apart_from_the_one_that_was_sent(
    api: RunningApi, tmp_path: Path
) -> None:
    told = classify(api, png("green"))
    stored(api, told["request_id"])
    other = tmp_path / "other.png"
    other.write_bytes(png("red"))
    with pytest.raises(UserError, match="another image"):
        replay(api.settings, told["request_id"], other)
    with pytest.raises(UserError, match="cannot be read") as raised:
        replay(api.settings, told["request_id"])
    assert "LEAFGATE_KEEP_UPLOADS" in raised.value.fix
    with pytest.raises(UserError, match="no request"):
        replay(api.settings, "01989f6e-7d3a-7c55-b1a0-2f3c4d5e6f70")


def test_a_kept_copy_stands_in_for_the_image(
    served_var: Path, tmp_path: Path, start_api: StartApi
) -> None:
    api = start_api(api_settings(served_var, tmp_path, keep_uploads=True))
    told = classify(api, png("blue"))
    stored(api, told["request_id"])
    assert replay(api.settings, told["request_id"]).same


def test_generated_pictures_are_made_again_bit_by_bit(api: RunningApi) -> None:
    answer = api.client.get("/generate", params={"n": 5, "seed": 3, "format": "zip"})
    request_id = answer.headers["X-Request-ID"]
    stored(api, request_id)
    assert replay(api.settings, request_id).same


def test_a_log_that_was_changed_is_found_out_by_the_command(
    api: RunningApi, tmp_path: Path
) -> None:
    import sqlalchemy as sa

    data = png("red")
    image = tmp_path / "sent.png"
    image.write_bytes(data)
    told = classify(api, data)
    stored(api, told["request_id"])
    env = environment(api.settings.var_dir, database_url=api.settings.database)
    command = ("replay", told["request_id"], "--image", image)
    honest = leafgate(*command, env=env)
    assert honest.returncode == 0, honest.stderr
    assert "the same answer" in honest.stdout
    with open_database(api.settings.database).begin() as connection:
        connection.execute(sa.text("UPDATE predictions SET class_name = 'green'"))
    forged = leafgate(*command, env=env)
    assert forged.returncode == 1
    assert "DIFFERENT  class: logged green, again red" in forged.stdout


def test_of_several_images_the_bad_ones_have_a_problem_and_each_has_its_row(
    api: RunningApi,
) -> None:
    files = [("files", (f"{c}.png", png(c))) for c in ("red", "green", "blue")]
    files.insert(1, ("files", ("words.txt", b"these are words")))
    told = api.client.post("/predict/batch", files=files).json()
    found = [(item["diagnosis"] or {}).get("class") for item in told["items"]]
    assert found == ["red", None, "green", "blue"]
    assert told["failed"] == 1
    assert told["items"][1]["problem"]["code"] == "not_an_image"
    whole, third = stored(api, told["request_id"]), stored(api, told["items"][2]["id"])
    assert (whole["images"], whole["model_version"]) == (4, 1)
    assert (third["position"], third["request_id"], third["class_name"]) == (
        2,
        told["request_id"],
        "green",
    )
    assert stored(api, told["items"][1]["id"])["status"] == 415


def test_eight_positions_of_a_picture_count_as_eight_runs_where_it_is_full(
    served_var: Path, tmp_path: Path, start_api: StartApi
) -> None:
    api = start_api(api_settings(served_var, tmp_path))
    models = api.app.state.leafgate.models
    assert (models.work_of(3), models.work_of(3, tta=True)) == (3, 24)


def test_more_images_than_allowed_are_refused(api: RunningApi) -> None:
    files = [("files", ("a.png", png())) for _ in range(65)]
    answer = api.client.post("/predict/batch", files=files)
    assert (answer.status_code, answer.json()["code"]) == (422, "too_many_images")


def test_an_explanation_shows_the_picture_with_its_heat_map(api: RunningApi) -> None:
    import base64

    told = classify(api, png("red", 64), "/explain")
    assert (told["class"], told["explained"]) == ("red", "red")
    overlay = Image.open(io.BytesIO(base64.b64decode(told["overlay_png_base64"])))
    assert overlay.size == (64, 64)
    other = classify(api, png("red", 64), "/explain", **{"class": "blue"})
    assert other["explained"] == "blue"
    assert other["overlay_png_base64"] != told["overlay_png_base64"]
    image = {"file": ("leaf.png", png("red", 64))}
    alone = api.client.post("/explain", params={"format": "png"}, files=image)
    assert alone.headers["content-type"] == "image/png"
    unknown = api.client.post("/explain", params={"class": "moss"}, files=image)
    assert (unknown.status_code, unknown.json()["code"]) == (422, "unknown_class")


def test_a_long_series_is_streamed_as_a_zip_that_is_whole(api: RunningApi) -> None:
    with api.client.stream("GET", "/generate", params={"n": 200, "seed": 1, "format": "zip"}) as a:
        assert "content-length" not in a.headers
        data = b"".join(a.iter_bytes())
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        about = json.loads(archive.read("manifest.json"))
        assert len(about["files"]) == len(archive.namelist()) - 1 == 200
        some = archive.read(about["files"][150])
    few = api.client.get("/generate", params={"n": 151, "seed": 1, "format": "zip"})
    with zipfile.ZipFile(io.BytesIO(few.content)) as archive:
        assert archive.read(about["files"][150]) == some  # alone or among others


def test_a_shadow_answers_beside_unseen_and_is_logged_under_its_own_version(
    two_versions: Path, tmp_path: Path, start_api: StartApi
) -> None:
    shadowed = {"staging_mode": "shadow", "staging_share": 1.0}
    api = start_api(api_settings(two_versions, tmp_path, **shadowed))
    told = classify(api, png("red"))
    assert (told["class"], told["model"]["version"]) == ("red", 1)
    assert eventually(lambda: rows_of(api, "shadow"))
    (row,) = rows_of(api, "shadow")
    assert (row["request_id"], row["model_version"]) == (told["request_id"], 2)
    assert row["class_name"] != "red"
    assert stored(api, told["request_id"])["lane"] == "production"


def test_a_canary_gets_its_share_and_only_that(
    two_versions: Path, tmp_path: Path, start_api: StartApi
) -> None:
    half = {"staging_mode": "canary", "staging_share": 0.5}
    api = start_api(api_settings(two_versions, tmp_path, **half))
    versions = [classify(api, png("red"))["model"]["version"] for _ in range(60)]
    assert 10 <= versions.count(2) <= 50
    assert versions.count(1) + versions.count(2) == 60
    assert eventually(lambda: len(rows_of(api, "canary")) == versions.count(2))


def test_a_promotion_that_does_worse_is_taken_back_and_the_audit_says_why(
    settings: Settings, tmp_path: Path, start_api: StartApi
) -> None:
    settings = api_settings(settings.var_dir, tmp_path, bake_images=20, bake_minutes=5)
    register_tiny_classifier(settings, outliers=True)
    api = start_api(settings)
    for _ in range(40):
        assert classify(api, png("red"))["unknown"] is False
    second = register_tiny_classifier(settings, outliers=True, alias=None)
    have_at_hand(settings, second)
    force(open_ledger(settings), second, "it is better")
    assert eventually(lambda: classify(api, png("red"))["model"]["version"] == 2)
    white = io.BytesIO()
    Image.new("RGB", (40, 40), "white").save(white, "PNG")  # unknown to both
    deadline = time.monotonic() + 30
    while classify(api, white.getvalue())["model"]["version"] == 2:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert eventually(lambda: moves(settings)[-1].to_version == 1)
    assert "taken back by the service: it calls unknown" in moves(settings)[-1].reason
    assert ModelStore(settings).get("leaf-classifier", PRODUCTION).version == 1


def moves(settings: Settings) -> list[AuditRecord]:
    records = open_ledger(settings).records("leaf-classifier")
    return [record for record in records if record.action == "moved"]
