"""Who is measured: how each server is started on the same stored model, and what it is sent."""

import base64
import json
import os
import sys
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.bento_environment import bento_python
from benchmarks.http_bytes import json_post, upload
from benchmarks.prepare import CLASSIFIER, PASSWORD, ROOT, USER, Prepared, clean_environment
from benchmarks.servers import Server, free_port
from leafgate.sqlite_url import sqlite_url

MLFLOW = (sys.executable, "-c", "from mlflow.cli import cli; cli()", "models", "serve")
FP32 = "openvino-fp32"
UNBOUND = "10000000/minute"  # on, but no limit in practice
JWT_SECRET = "benchmarks sign with this secret of enough bytes"  # noqa: S105 - throw-away
LEAFGATE_SETTINGS = {
    "jwt_secret": JWT_SECRET,
    "predict_limit": UNBOUND,
    "address_limit": UNBOUND,
    "token_limit": UNBOUND,
    "max_connections_per_address": 1000,  # all load comes from this machine
}


@dataclass(frozen=True)
class Contender:
    """server: how it is started; requests: what it is sent once it is ready."""

    name: str
    server: Callable[[Prepared], Server]
    requests: Callable[[Prepared, int], list[bytes]]


def mlflow_server(made: Prepared, engine: str) -> Server:
    """`mlflow models serve` as it is: one worker, which is its default."""
    port, settings = free_port(), {"var_dir": made.var_dir, "engine": engine}
    env = {
        **clean_environment(settings),
        "MLFLOW_TRACKING_URI": sqlite_url(made.var_dir / "mlflow" / "mlflow.db"),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",  # it looks for uvicorn there
    }
    model = (f"--model-uri=models:/{CLASSIFIER}@production", "--env-manager=local")
    return Server((*MLFLOW, *model, f"--port={port}"), env, port, "/ping")


def mlflow_requests(made: Prepared, port: int) -> list[bytes]:
    """Base64 in JSON, the only way it takes an image."""
    images = [base64.b64encode(jpeg).decode() for jpeg in made.jpegs()]
    bodies = [{"dataframe_records": [{"image": image}]} for image in images]
    return [json_post("/invocations", f"127.0.0.1:{port}", body) for body in bodies]


def bento_server(made: Prepared) -> Server:
    """BentoML, in an environment of its own, on the fp32 form."""
    python, port = bento_python(), free_port()
    env = {
        **clean_environment(),
        "BENTOML_HOME": str(made.folder / "bentoml"),
        "BENTOML_DO_NOT_TRACK": "True",
        "LEAFGATE_BENCH_MODEL": str(made.model),
        "LEAFGATE_BENCH_ENGINE": FP32,
        "PATH": f"{python.parent}:{os.environ['PATH']}",
    }
    serve = (str(python), "-m", "bentoml", "serve", "benchmarks.bento_service:LeafClassifier")
    where = (f"--working-dir={ROOT}", "--host=127.0.0.1", f"--port={port}")
    return Server((*serve, *where), env, port, "/readyz")


def bento_requests(made: Prepared, port: int) -> list[bytes]:
    """Multipart uploads, as for LeafGate."""
    host = f"127.0.0.1:{port}"
    return [upload("/predict", host, "images", jpeg) for jpeg in made.jpegs()]


def leafgate_server(made: Prepared, engine: str = "auto", **settings: object) -> Server:
    """LeafGate with sign-in, limits and request log on."""
    port = free_port()
    chosen = {"var_dir": made.var_dir, "api_port": port, "engine": engine}
    env = clean_environment({**LEAFGATE_SETTINGS, **chosen, **settings})
    return Server((sys.executable, "-m", "leafgate.cli", "serve"), env, port, "/ready")


def leafgate_requests(made: Prepared, port: int) -> list[bytes]:
    """Multipart uploads with a fresh token."""
    host, bearer = f"127.0.0.1:{port}", {"Authorization": f"Bearer {token(port)}"}
    return [upload("/predict", host, "file", jpeg, bearer) for jpeg in made.jpegs()]


def token(port: int) -> str:
    """Sign in to LeafGate."""
    form = urllib.parse.urlencode({"username": USER, "password": PASSWORD}).encode()
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/token", form, timeout=30) as answer:
        return str(json.load(answer)["access_token"])


MLFLOW_TENSORFLOW, MLFLOW_OWN, BENTO = "mlflow, TensorFlow", "mlflow, its own choice", "BentoML"
LEAFGATE, LEAFGATE_FP32 = "LeafGate", "LeafGate, fp32"
CONTENDERS = {
    "mlflow-tensorflow": Contender(
        MLFLOW_TENSORFLOW, partial(mlflow_server, engine="tensorflow"), mlflow_requests
    ),
    "mlflow": Contender(MLFLOW_OWN, partial(mlflow_server, engine="auto"), mlflow_requests),
    "bentoml": Contender(BENTO, bento_server, bento_requests),
    "leafgate-fp32": Contender(
        LEAFGATE_FP32, partial(leafgate_server, engine=FP32), leafgate_requests
    ),
    "leafgate": Contender(LEAFGATE, leafgate_server, leafgate_requests),
}
