"""`mlflow models serve` on the stored PyFunc answers as the documentation says."""

import base64
import os
import sys
from pathlib import Path

import httpx
import numpy as np
import pytest

from leafgate.images import encode_png
from leafgate.settings import Settings
from tests.colours import colour_picture
from tests.commands import environment, free_port, running

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


def _leaf(colour: str) -> np.ndarray:
    return np.asarray(colour_picture(colour, 3))
