"""`mlflow models serve` on the stored PyFunc answers as the documentation says."""

import base64
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import httpx
import numpy as np
import pytest

from leafgate.images import encode_png
from leafgate.settings import Settings
from registry import GeneratorDescription, store_generator
from tests.colours import COLOURS, colour_picture
from tests.commands import environment, free_port, running
from tests.models import noise_network, store_tiny_classifier

MLFLOW = (sys.executable, "-c", "from mlflow.cli import cli; cli()")


@pytest.mark.timeout(200)
def test_a_base64_image_is_answered_with_class_confidence_top_and_unknown(
    served_var: Path, tmp_path: Path
) -> None:
    settings = Settings(_env_file=None, var_dir=served_var)  # type: ignore[call-arg]
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    env = {
        **environment(settings.var_dir),
        "MLFLOW_TRACKING_URI": settings.tracking_uri,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",  # it looks for uvicorn there
    }
    model = ("-m", "models:/leaf-classifier@staging", "--env-manager", "local")
    serve = (*MLFLOW, "models", "serve", *model, "--port", str(port))
    with running(serve, f"{url}/ping", env, tmp_path / "server.log"):
        image = base64.b64encode(encode_png(_leaf("green"))).decode()
        content = {"dataframe_records": [{"image": image}]}
        answer = httpx.post(f"{url}/invocations", json=content, timeout=60)
    assert answer.status_code == 200, answer.text
    (row,) = answer.json()["predictions"]
    assert set(row) == {"class", "confidence", "top", "unknown", "unknown_score"}
    assert row["class"] == row["top"][0]["class"] == "green"
    assert row["confidence"] == row["top"][0]["confidence"] > 0.5
    shares = [item["confidence"] for item in row["top"]]
    assert shares == sorted(shares, reverse=True)
    assert row["unknown"] is False


@pytest.mark.parametrize("engine", ["tensorflow", "openvino-fp32"])
def test_a_stored_model_runs_on_the_engine_it_is_held_to(
    engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from registry.pyfunc.classifier import ClassifierPyFunc
    from registry.pyfunc.generator import GeneratorPyFunc

    store_tiny_classifier(tmp_path / "classifier")
    described = GeneratorDescription("noise", 8, 32, 3, tuple(COLOURS))
    store_generator(noise_network(), described, tmp_path / "generator")
    monkeypatch.setenv("LEAFGATE_ENGINE", engine)
    classifier, generator = ClassifierPyFunc(), GeneratorPyFunc()
    classifier.load_context(SimpleNamespace(artifacts={"model": tmp_path / "classifier"}))
    generator.load_context(SimpleNamespace(artifacts={"model": tmp_path / "generator"}))
    assert {classifier.classifier.engine.name, generator.generator.engine.name} == {engine}


def _leaf(colour: str) -> np.ndarray:
    return np.asarray(colour_picture(colour, 3))
