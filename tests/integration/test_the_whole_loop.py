"""Images in, both models out, gated, served, logged: through the public commands and HTTP alone."""

import io
import sqlite3
import zipfile
from pathlib import Path

import httpx
import pytest

from tests.commands import environment, free_port, leafgate, service
from tests.rights import open_to_others

SECRET = "a secret of the test's own, 32 bytes or more"
LENIENT = "kind: classifier\ni_know: true\nchecks:\n  accuracy: {at_least: 0}\n"
OPEN = "kind: generator\nchecks:\n  finite: {}\n  in_range: {tolerance: 0.001}\n"


@pytest.mark.timeout(420)
def test_from_drawn_leaves_to_a_logged_prediction(tmp_path: Path) -> None:
    port = free_port()
    env = environment(tmp_path / "var", jwt_secret=SECRET, api_port=port, model_poll_seconds=0.2)
    leaves, split = tmp_path / "leaves", tmp_path / "split.csv"

    def run(*arguments: object, stdin: str | None = None, code: int = 0) -> str:
        done = leafgate(*arguments, env=env, cwd=tmp_path, stdin=stdin)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    run("data", "demo", "--out", leaves, "--count", 72)
    run("data", "split", "--data", leaves, "--out", split)
    job = ("--data", leaves, "--manifest", split)
    few = ("epochs=1", "batch_size=16", "evaluate_samples=16", "test_samples=16")
    run("train", "generator", *job, *few)
    run("train", "classifier", *job, "backbone=resnet18", "image_size=32", "scratch_epochs=1")

    held = run("gate", "leaf-classifier", code=3)
    assert "held back" in held
    assert "report.html" in held

    (tmp_path / "lenient.yaml").write_text(LENIENT)
    (tmp_path / "open.yaml").write_text(OPEN)
    run(
        "users",
        "add",
        "ada",
        "--scope",
        "predict",
        "--scope",
        "generate",
        stdin="two words\ntwo words\n",
    )

    api = f"http://127.0.0.1:{port}"
    with (
        service("serve", f"{api}/health", env, tmp_path / "api.log"),
        httpx.Client(base_url=api, timeout=30) as client,
    ):
        early = client.get("/ready")
        assert early.status_code == 503
        assert early.json()["code"] == "no_production_model"

        assert "is promoted" in run("gate", "leaf-classifier", "--policy", "lenient.yaml")
        assert "is promoted" in run("gate", "leaf-generator", "--policy", "open.yaml")
        assert client.get("/ready").status_code == 200  # seen without a restart

        token = client.post("/token", data={"username": "ada", "password": "two words"}).json()
        client.headers["Authorization"] = f"Bearer {token['access_token']}"
        leaf = next((leaves / "rust").glob("*.jpg"))
        answer = client.post("/predict", files={"file": (leaf.name, leaf.read_bytes())}).json()
        told = run("predict", leaf).split("\t")
        assert (answer["class"], f"{answer['confidence']:.3f}") == (told[1], told[2].strip())

        pictures = client.get("/generate", params={"n": 5, "seed": 7, "format": "zip"})
        names = zipfile.ZipFile(io.BytesIO(pictures.content)).namelist()
        assert len([name for name in names if name.endswith(".png")]) == 5
        refused = client.post("/predict", headers={"Authorization": "Bearer nonsense"})

    assert open_to_others(tmp_path / "var") == []
    rows = _rows(tmp_path / "var" / "leafgate.db")
    assert rows[answer["request_id"]] == ("/predict", 200, answer["class"], "ada", leaf.name)
    assert rows[pictures.headers["X-Request-ID"]][:2] == ("/generate", 200)
    assert rows[refused.headers["X-Request-ID"]][:2] == ("/predict", 401)


def _rows(database: Path) -> dict[str, tuple[object, ...]]:
    with sqlite3.connect(database) as connection:
        found = connection.execute(
            "SELECT requests.id, endpoint, requests.status, class_name, user_name, file_name "
            "FROM requests LEFT JOIN predictions ON predictions.id = requests.id"
        )
        return {row[0]: row[1:] for row in found}
