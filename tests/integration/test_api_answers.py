"""What the API answers to those who ask properly."""

import base64
import hashlib
import io
import json
import shutil
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from dashboard.calls.service import training_reference
from dashboard.client import ApiClient, ApiProblem
from leafgate.gating import open_ledger
from leafgate.images import decode
from leafgate.settings import Settings
from registry import ModelStore, force, rollback, start_run
from sql import Span, open_database
from sql.analytics import (
    confidence_distribution,
    disease_frequency,
    recent_requests,
    reference_of,
)
from tests.colours import colour_picture
from tests.integration.conftest import PASSWORD, RunningApi, StartApi, api_settings
from tests.models import have_at_hand, register_tiny_classifier, store_tiny_classifier


def png(colour: str = "red", size: int = 40) -> bytes:
    buffer = io.BytesIO()
    colour_picture(colour, 5, size).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize("colour", ["red", "green", "blue"])
def test_predict_names_the_class_with_confidence_model_and_request(
    api: RunningApi, colour: str
) -> None:
    answer = api.client.post("/predict", files={"file": ("leaf.png", png(colour))})
    told = answer.json()
    assert answer.status_code == 200, answer.text
    assert told["class"] == colour
    assert told["top"][0] == {"class": colour, "confidence": told["confidence"]}
    assert sum(item["confidence"] for item in told["top"]) == pytest.approx(1, abs=1e-5)
    assert (told["model"]["name"], told["model"]["version"]) == ("leaf-classifier", 1)
    assert told["request_id"] == answer.headers["X-Request-ID"]
    assert "retry-after" not in answer.headers


def test_a_picture_unlike_the_training_images_is_called_unknown(api: RunningApi) -> None:
    white = io.BytesIO()
    Image.new("RGB", (40, 40), "white").save(white, "PNG")
    leaf = api.client.post("/predict", files={"file": ("leaf.png", png())}).json()
    wall = api.client.post("/predict", files={"file": ("wall.png", white.getvalue())}).json()
    assert (leaf["unknown"], wall["unknown"]) == (False, True)
    assert leaf["unknown_score"] < wall["unknown_score"]


def test_a_model_stored_without_a_score_says_so(
    settings: Settings, tmp_path: Path, start_api: StartApi
) -> None:
    settings = api_settings(settings.var_dir, tmp_path)
    register_tiny_classifier(settings)
    api = start_api(settings)
    told = api.client.post("/predict", files={"file": ("leaf.png", png())}).json()
    assert told["unknown"] is False
    assert told["unknown_score"] is None


def test_a_prediction_is_a_row_with_all_that_is_known(api: RunningApi) -> None:
    data = png("green")
    told = api.client.post("/predict", files={"file": ("blätt 1.png", data)}).json()
    row = stored(api, told["request_id"])
    assert row["endpoint"] == "/predict"
    assert row["user_name"] == "ada"
    assert row["source"] == "127.0.0.1"
    assert row["file_name"] == "blätt 1.png"
    assert row["sha256"] == hashlib.sha256(data).hexdigest()
    assert (row["class_name"], row["status"], row["images"]) == ("green", 200, 1)
    assert row["confidence"] == pytest.approx(told["confidence"])
    assert row["model_version"] == 1
    assert row["latency_ms"] >= told["latency_ms"]


def test_an_explanation_is_a_request_and_no_other_diagnosis(api: RunningApi) -> None:
    """The dashboard asks for one per leaf and class that somebody looks at."""
    span = Span(datetime.now(UTC) - timedelta(minutes=5), datetime.now(UTC) + timedelta(minutes=5))
    before = leaves(api, span)
    image = {"file": ("leaf.png", png("green"))}
    told = api.client.post("/predict", files=image).json()
    for class_name in ("red", "green", "blue"):
        answer = api.client.post("/explain", params={"class": class_name}, files=image)
        assert answer.status_code == 200, answer.text
        row = stored(api, answer.headers["X-Request-ID"])
        assert (row["endpoint"], row["images"], row["model_version"]) == ("/explain", 1, 1)
    assert stored(api, told["request_id"])["endpoint"] == "/predict"
    assert leaves(api, span) == before + 1


def leaves(api: RunningApi, span: Span) -> int:
    """Diagnosed in this time, as every figure of diagnoses has it."""
    api.app.state.leafgate.log.flush()
    database = open_database(api.settings.database)
    found = sum(row.count for row in disease_frequency(database, span))
    assert reference_of(database, span).samples == found
    assert confidence_distribution(database, span).answers == found
    database.dispose()
    return found


@pytest.mark.parametrize(
    ("headers", "client"),
    [
        ({"User-Agent": "leafgate-cli/0.1"}, "cli"),
        ({"User-Agent": "Mozilla/5.0 (X11; Linux x86_64)"}, "browser"),
        ({"User-Agent": "mallory/1.0 <script>alert(1)</script>"}, "api"),
        ({}, "api"),
    ],
)
def test_the_log_says_which_program_asked_and_from_where(
    api: RunningApi, headers: dict[str, str], client: str
) -> None:
    answer = api.client.get("/generate", params={"n": 1}, headers=headers)
    row = stored(api, answer.headers["X-Request-ID"])
    assert (row["client"], row["source"]) == (client, "127.0.0.1")


def test_the_dashboard_names_itself_in_all_that_it_asks(api: RunningApi) -> None:
    """Signing in, asking, and being refused."""
    signed_in = ApiClient(api.url).sign_in("ada", PASSWORD)
    dashboard = ApiClient(api.url, signed_in.token)
    answer = dashboard.ask("POST", "/predict", files={"file": ("leaf.png", png())})
    with pytest.raises(ApiProblem) as refused:
        dashboard.ask("POST", "/feedback", json={"request_id": "none", "class": "red"})
    for identifier in (answer.json()["request_id"], refused.value.request_id):
        assert stored(api, identifier)["client"] == "dashboard"
    api.app.state.leafgate.log.flush()
    newest = recent_requests(open_database(api.settings.database), 3)
    assert {(row.endpoint, row.client) for row in newest} == {
        *(("/token", "dashboard"), ("/predict", "dashboard"), ("/feedback", "dashboard"))
    }


def test_generating_says_how_long_it_took(api: RunningApi) -> None:
    ask = {"n": 3, "seed": 11}
    as_json = api.client.get("/generate", params=ask)
    as_png = api.client.get("/generate", params={**ask, "format": "png"})
    as_zip = api.client.get("/generate", params={**ask, "format": "zip"})
    with zipfile.ZipFile(io.BytesIO(as_zip.content)) as archive:
        about = json.loads(archive.read("manifest.json"))
    told = (as_json.json()["latency_ms"], as_png.headers["X-Latency-Ms"], about["latency_ms"])
    for answer, said in zip((as_json, as_png, as_zip), map(float, told), strict=True):
        row = stored(api, answer.headers["X-Request-ID"])
        assert 0 < said <= float(str(row["latency_ms"])) + 0.1  # it is rounded


def test_the_same_seed_gives_the_same_pictures_by_get_and_post(api: RunningApi) -> None:
    by_get = api.client.get("/generate", params={"n": 3, "seed": 11}).json()
    by_post = api.client.post("/generate", json={"n": 3, "seed": 11}).json()
    assert by_get["images"] == by_post["images"]
    other = api.client.get("/generate", params={"n": 3, "seed": 12}).json()
    assert by_get["images"] != other["images"]
    picture = decode(base64.b64decode(by_get["images"][0]["png_base64"]))
    assert picture.shape == (32, 32, 3)


def test_a_drawn_seed_is_told_and_repeats_the_pictures(api: RunningApi) -> None:
    first = api.client.get("/generate", params={"n": 2}).json()
    again = api.client.get("/generate", params={"n": 2, "seed": first["seed"]}).json()
    assert first["images"] == again["images"]


def test_the_zip_holds_every_picture_and_says_that_they_are_synthetic(api: RunningApi) -> None:
    answer = api.client.get("/generate", params={"n": 5, "seed": 7, "format": "zip"})
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        about = json.loads(archive.read("manifest.json"))
        first = Image.open(io.BytesIO(archive.read(about["files"][0])))
    assert answer.headers["content-type"] == "application/zip"
    assert len(about["files"]) == 5
    assert about["synthetic"] == "true"
    text = first.text  # type: ignore[attr-defined]
    assert text["synthetic"] == "true"
    assert (text["seed"], text["index"]) == ("7", "0")


def test_the_png_is_one_grid(api: RunningApi) -> None:
    answer = api.client.get("/generate", params={"n": 4, "seed": 1, "format": "png"})
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["X-Seed"] == "1"
    assert decode(answer.content).shape == (70, 70, 3)


def test_swagger_can_sign_in_and_problems_are_documented(api: RunningApi) -> None:
    described = httpx.get(f"{api.url}/openapi.json").json()
    flow = described["components"]["securitySchemes"]["OAuth2PasswordBearer"]["flows"]["password"]
    assert flow["tokenUrl"] == "token"
    assert set(flow["scopes"]) == {"predict", "generate", "feedback", "admin"}
    refusals = described["paths"]["/predict"]["post"]["responses"]
    assert "application/problem+json" in refusals["415"]["content"]
    assert httpx.get(f"{api.url}/docs").status_code == 200


def test_a_token_holds_only_the_scopes_asked_for(api: RunningApi) -> None:
    form = {"username": "ada", "password": PASSWORD, "scope": "predict admin"}
    told = httpx.post(f"{api.url}/token", data=form).json()
    assert told["scope"] == "predict"


def test_probes_need_no_token_and_are_not_logged(api: RunningApi) -> None:
    assert httpx.get(f"{api.url}/health").json()["status"] == "ok"
    ready = httpx.get(f"{api.url}/ready").json()
    assert [item["engine"] for item in ready["models"]] == ["openvino-fp32", "openvino-fp32"]
    told = api.client.get("/models").json()
    assert [{k: v for k, v in item.items() if k != "reference"} for item in told] == ready["models"]
    assert all("no GPU" in item["reason"] for item in told)
    endpoints = {row.endpoint for row in recent_requests(open_database(api.settings.database))}
    assert not endpoints & {"/health", "/ready"}


def test_what_drift_is_measured_against_is_told_to_those_who_sign_in(api: RunningApi) -> None:
    classifier, generator = api.client.get("/models").json()
    assert generator["reference"] is None
    assert classifier["reference"]["classes"] == dict.fromkeys(classifier["classes"], 20)
    assert len(classifier["reference"]["confidences"]) == 50
    assert sum(classifier["reference"]["confidences"]) == 60
    told = training_reference(ApiClient(api.url, api.token("eve")))
    assert told is not None
    assert (told.model, told.version) == ("leaf-classifier", 1)
    assert told.classes == classifier["reference"]["classes"]
    assert list(told.confidences) == classifier["reference"]["confidences"]
    assert "reference" not in httpx.get(f"{api.url}/health").text


def test_without_a_model_the_api_is_alive_but_not_ready(
    tmp_path: Path, start_api: StartApi
) -> None:
    api = start_api(api_settings(tmp_path / "empty", tmp_path))
    ready = httpx.get(f"{api.url}/ready")
    assert ready.status_code == 503
    assert "no version has the alias 'production'" in ready.json()["detail"]
    assert "leafgate gate leaf-classifier" in ready.json()["fix"]
    assert "retry-after" in ready.headers
    empty = httpx.get(f"{api.url}/ready", params={"without_model": "true"})
    assert (empty.status_code, empty.json()["status"]) == (200, "ready")
    assert empty.json()["models"][0]["version"] is None
    assert httpx.get(f"{api.url}/health").status_code == 200
    answer = api.client.post("/predict", files={"file": ("a.png", png())})
    assert (answer.status_code, answer.json()["code"]) == (503, "no_production_model")
    assert training_reference(ApiClient(api.url, api.token())) is None


def test_a_promotion_is_seen_without_a_restart_and_a_broken_one_changes_nothing(
    empty_store: Path, tmp_path: Path, start_api: StartApi
) -> None:
    var_dir = Path(shutil.copytree(empty_store, tmp_path / "var"))
    settings = api_settings(var_dir, tmp_path, model_poll_seconds=1)  # each fetches the broken one
    register_tiny_classifier(settings)
    api = start_api(settings)
    second = register_tiny_classifier(settings, order=-1, alias=None)
    have_at_hand(settings, second)
    assert version_answering(api) == 1

    force(open_ledger(settings), second, "it is better")
    assert eventually(lambda: version_answering(api) == 2)

    store_tiny_classifier(tmp_path / "broken")
    (tmp_path / "broken" / "model.json").write_text("{}")
    with start_run(settings, "train classifier", ledger=open_ledger(settings)) as run:
        third = run.register("classifier", tmp_path / "broken", "leaf-classifier")
    force(open_ledger(settings), third, "it is better still")
    assert eventually(lambda: "is a None of format None" in classifier_problem(api))
    assert httpx.get(f"{api.url}/health").json()["status"] == "degraded"
    assert version_answering(api) == 2

    rollback(open_ledger(settings), "leaf-classifier")  # to version 2
    rollback(open_ledger(settings), "leaf-classifier")  # to the broken one again
    force(open_ledger(settings), ModelStore(settings).get("leaf-classifier", 1), "it was well")
    assert eventually(lambda: version_answering(api) == 1)


def test_a_rollback_reaches_a_running_service_without_a_restart(
    two_versions: Path, tmp_path: Path, start_api: StartApi
) -> None:
    settings = api_settings(Path(shutil.copytree(two_versions, tmp_path / "var")), tmp_path)
    api = start_api(settings)
    force(open_ledger(settings), ModelStore(settings).get("leaf-classifier", 2), "it is better")
    assert eventually(lambda: version_answering(api) == 2)

    rollback(open_ledger(settings), "leaf-classifier", "it is not")
    assert eventually(lambda: version_answering(api) == 1)


def test_a_version_that_the_audit_does_not_vouch_for_is_not_served(
    two_versions: Path, tmp_path: Path, start_api: StartApi
) -> None:
    settings = api_settings(Path(shutil.copytree(two_versions, tmp_path / "var")), tmp_path)
    api = start_api(settings)
    store = ModelStore(settings)
    second = store.get("leaf-classifier", 2)

    store.set_alias("leaf-classifier", "production", second.version)  # by hand, past the gate
    assert eventually(lambda: "the audit has version 1 in production" in classifier_problem(api))
    assert version_answering(api) == 1

    force(open_ledger(settings), second, "now it is on record")
    assert eventually(lambda: version_answering(api) == 2)


def classifier_problem(api: RunningApi) -> str:
    """Why the newest version is not served, if so."""
    return str(httpx.get(f"{api.url}/health").json()["models"][0]["problem"])


def version_answering(api: RunningApi) -> int:
    answer = api.client.post("/predict", files={"file": ("a.png", png())})
    return int(answer.json()["model"]["version"])


def eventually(happened: object) -> bool:
    import time

    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if happened():  # type: ignore[operator]
            return True
        time.sleep(0.1)
    return False


def stored(api: RunningApi, request_id: str) -> dict[str, object]:
    """The rows of an id as one, once they are in the database: of image, pictures, request."""
    import sqlalchemy as sa

    from sql.schema import generations, predictions, requests

    engine = open_database(api.settings.database)

    def find() -> dict[str, object] | None:
        found: dict[str, object] = {}
        with engine.connect() as connection:
            for table in (predictions, generations, requests):
                query = sa.select(table).where(table.c.id == request_id)
                found |= connection.execute(query).mappings().first() or {}
        return found or None

    api.app.state.leafgate.log.flush()  # rather than wait until enough have gathered
    assert eventually(find)
    row = find()
    assert row is not None
    return row


def test_sixteen_bit_grey_and_transparent_images_are_answered(api: RunningApi) -> None:
    deep = Image.fromarray(np.random.default_rng(0).integers(0, 65535, (20, 20), np.uint16))
    clear = Image.new("RGBA", (20, 20), (210, 40, 30, 255))
    for picture in (deep, clear):
        buffer = io.BytesIO()
        picture.save(buffer, "PNG")
        answer = api.client.post("/predict", files={"file": ("a.png", buffer.getvalue())})
        assert answer.status_code == 200, answer.text
