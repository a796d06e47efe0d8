"""The service comes up, goes on and catches up whatever happens to MLflow's server."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from leafgate.gating import open_ledger
from leafgate.settings import Settings
from registry import ModelStore, force
from tests.commands import environment, free_port, mlflow_server, service
from tests.integration.conftest import PASSWORD, prepare_database
from tests.integration.test_api_answers import eventually, png
from tests.models import have_at_hand
from tests.relay import Relay

KEY, SECRET = "a1" * 32, "s" * 40


@contextmanager
def api(settings: Settings, port: int, log: Path) -> Iterator[httpx.Client]:
    """`leafgate serve`, ready, and somebody who has signed in."""
    told = {
        "mlflow_tracking_uri": settings.mlflow_tracking_uri,
        "database_url": settings.database_url,
        "audit_key": KEY,
        "jwt_secret": SECRET,
        "api_port": port,
        "model_poll_seconds": 0.2,
    }
    url = f"http://127.0.0.1:{port}"
    with (
        service("serve", f"{url}/ready", environment(settings.var_dir, **told), log),
        httpx.Client(base_url=url, timeout=30) as client,
    ):
        form = {"username": "ada", "password": PASSWORD}
        token = client.post("/token", data=form).json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        yield client


def version(client: httpx.Client) -> int:
    answer = client.post("/predict", files={"file": ("a.png", png())})
    assert answer.status_code == 200, answer.text
    return int(answer.json()["model"]["version"])


def problem(client: httpx.Client) -> str:
    return str(client.get("/health").json()["models"][0]["problem"])


def test_the_service_lives_through_mlflow_being_away_and_catches_up(
    tmp_path: Path, two_versions: Path
) -> None:
    registry = Path(shutil.copytree(two_versions, tmp_path / "registry"))
    mlflow = free_port()
    with mlflow_server(registry, mlflow, tmp_path / "mlflow.log"):
        relay, mine = Relay(mlflow), free_port()
        settings = Settings(
            _env_file=None,  # type: ignore[call-arg]
            var_dir=tmp_path / "service",
            mlflow_tracking_uri=f"http://127.0.0.1:{relay.port}",
            database_url=f"sqlite:///{tmp_path / 'log.db'}",
            audit_key=KEY,  # type: ignore[arg-type]
        )
        prepare_database(settings)
        ledger = open_ledger(settings)
        first, second = (ModelStore(settings).get("leaf-classifier", number) for number in (1, 2))
        force(ledger, first, "a test's own")
        have_at_hand(settings, second)  # the first is fetched
        with api(settings, mine, tmp_path / "api-1.log") as client:
            assert version(client) == 1
            assert problem(client) == "None"

        relay.cut()
        with api(settings, mine, tmp_path / "api-2.log") as client:  # MLflow is away at the start
            assert version(client) == 1
            assert "last version known here" in problem(client)
            assert client.get("/health").json()["status"] == "degraded"
            relay.mend()
            assert eventually(lambda: problem(client) == "None")
            force(ledger, second, "a test's own")
            assert eventually(lambda: version(client) == 2)
            relay.cut()
            assert eventually(lambda: "last version known here" in problem(client))
            assert version(client) == 2
