"""`leafgate mlflow` as a process: whatever MLflow serves is behind the sign-in."""

import re
import shutil
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from leafgate.demo import services
from leafgate.errors import UserError
from leafgate.settings import Settings
from registry import PRODUCTION, ModelStore, alias_reader, start_run
from tests.commands import environment, free_port, running, service
from tests.requirements import absent
from tests.rights import mode

REFUSED = (401, 403)
PARAMETER = re.compile(r"[{<][^}>]*[}>]")
PROGRAM = (sys.executable, "-m", "leafgate.cli")


@dataclass(frozen=True)
class Server:
    """A running `leafgate mlflow`. log: what it printed."""

    var_dir: Path
    port: int
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def token(self) -> str:
        return (self.var_dir / "mlflow.token").read_text().strip()


@pytest.fixture(scope="module")
def server(empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("signed")
    made = Server(Path(shutil.copytree(empty_store, folder / "var")), free_port(), folder / "log")
    env = environment(made.var_dir, mlflow_port=made.port)
    with service("mlflow", f"{made.url}/health", env, made.log):
        yield made


def routes() -> list[tuple[str, str]]:
    """Every method and path that MLflow's apps serve, FastAPI's and Flask's."""
    from mlflow.server import app as flask_app
    from mlflow.server.fastapi_app import app as fastapi_app

    found = {
        (method.upper(), PARAMETER.sub("1", path))
        for path, methods in fastapi_app.openapi()["paths"].items()
        for method in methods
    }
    found |= {
        (method, PARAMETER.sub("1", rule.rule))
        for rule in flask_app.url_map.iter_rules()
        for method in rule.methods or ()
    }
    return sorted(found)


def test_no_route_of_mlflow_answers_without_a_sign_in(server: Server) -> None:
    every = routes()
    assert len(every) > 200
    paths = {path for _, path in every}
    assert {"/graphql", "/version", "/v1/traces"} <= paths
    further = [("GET", "/static-files/index.html"), ("GET", "/metrics"), ("POST", "/v1/metrics")]
    with httpx.Client(base_url=server.url) as client:
        answered = {
            (method, path): client.request(method, path).status_code
            for method, path in every + further
        }
    opened = {asked for asked, status in answered.items() if status not in REFUSED}
    assert opened == {("GET", "/health"), ("HEAD", "/health")}


def test_the_password_of_mlflows_own_documentation_opens_nothing(server: Server) -> None:
    for user, password in (("admin", "password1234"), ("admin", "password"), ("leafgate", "")):
        answer = httpx.get(f"{server.url}/version", auth=(user, password))
        assert answer.status_code == 401


def test_a_browser_elsewhere_cannot_reach_it_by_a_name_of_its_own(server: Server) -> None:
    signed_in = {"Authorization": f"Bearer {server.token}"}
    page = f"{server.url}/ajax-api/2.0/mlflow/experiments/search?max_results=1"
    assert httpx.get(page, headers=signed_in).status_code == 200
    by_a_name = {**signed_in, "Host": "10.evil.example"}
    assert httpx.get(page, headers=by_a_name).status_code == 403


def settings_of(server: Server) -> Settings:
    return Settings(_env_file=None, var_dir=server.var_dir, mlflow_tracking_uri=server.url)  # type: ignore[call-arg]


def test_programs_sign_in_by_mlflows_variables(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_of(server)
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", server.token)
    with start_run(settings, "a test") as run:
        run.log_metrics({"loss": 0.5})
    assert ModelStore(settings).find("no-such-model", PRODUCTION) is None
    assert alias_reader(settings).find("no-such-model", PRODUCTION) is None
    monkeypatch.delenv("MLFLOW_TRACKING_TOKEN")
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "leafgate")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", server.token)
    assert alias_reader(settings).find("no-such-model", PRODUCTION) is None


@pytest.mark.parametrize("signed", [{}, {"MLFLOW_TRACKING_TOKEN": "x" * 64}])
def test_without_a_right_sign_in_the_error_names_the_variables(
    server: Server, signed: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in signed.items():
        monkeypatch.setenv(name, value)
    settings = settings_of(server)
    for reader in (alias_reader(settings), ModelStore(settings)):
        with pytest.raises(UserError, match="MLFLOW_TRACKING_") as refused:
            reader.find("leaf-classifier", PRODUCTION)
        assert "TOKEN" in refused.value.problem


def test_the_token_is_in_no_list_of_processes_and_printed_once(server: Server) -> None:
    arguments = [_read(file) for file in Path("/proc").glob("[0-9]*/cmdline")]
    variables = [_read(file) for file in Path("/proc").glob("[0-9]*/environ")]
    token = server.token.encode()
    assert not [each for each in (*arguments, *variables) if token in each]
    httpx.get(f"{server.url}/sign-in", params={"token": server.token})
    assert server.log.read_text().count(server.token) == 1
    assert f"{server.url}/sign-in?token={server.token}" in server.log.read_text()


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:  # it ended, or it is another user's
        return b""


def test_its_state_is_for_this_user_alone(server: Server) -> None:
    """The folder was made with the usual rights, by this process."""
    store = server.var_dir / "mlflow"
    paths = (server.var_dir, store, store / "mlflow.db", server.var_dir / "mlflow.token")
    assert [mode(path) for path in paths] == [0o700, 0o700, 0o600, 0o600]


def test_the_demos_log_holds_no_token(tmp_path: Path, empty_store: Path) -> None:
    var_dir, port = shutil.copytree(empty_store, tmp_path / "var"), free_port()
    settings = Settings(_env_file=None, var_dir=var_dir, mlflow_port=port)  # type: ignore[call-arg]
    part = services(settings)[0]
    program = [*PROGRAM, part.command, *part.options]
    env, log = environment(settings.var_dir, mlflow_port=port), tmp_path / "log"
    with running(program, f"{part.address}/health", env, log):
        token = (settings.var_dir / "mlflow.token").read_text().strip()
        assert httpx.get(part.address).status_code == 401
    assert token not in log.read_text()


def test_beyond_loopback_it_asks_for_a_sign_in_too(tmp_path: Path, empty_store: Path) -> None:
    outside = _other_address()
    var_dir, port = shutil.copytree(empty_store, tmp_path / "var"), free_port()
    url = f"http://{outside}:{port}"
    env = environment(Path(var_dir), mlflow_port=port, host="0.0.0.0", mlflow_url=url)
    with service("mlflow", f"{url}/health", env, tmp_path / "log"):
        assert httpx.get(f"{url}/version").status_code == 401
        token = (Path(var_dir) / "mlflow.token").read_text().strip()
        signed_in = {"Authorization": f"Bearer {token}"}
        page = f"{url}/ajax-api/2.0/mlflow/experiments/search?max_results=1"
        assert httpx.get(page, headers=signed_in).status_code == 200


def _other_address() -> str:
    """An address of this machine that is not loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing
            return str(probe.getsockname()[0])
        except OSError:
            absent("a network address", "connect the machine to a network")
