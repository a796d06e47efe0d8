"""The stack: its Compose files, Dockerfiles, locks and scripts keep what the documentation says."""

import re
import shutil
import stat
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlfluff.core import Linter

from leafgate.settings import Settings
from tests.compose_files import ROOT, VARIANTS, compose, networks_of, read_compose, variables_of
from tests.requirements import absent
from tests.stack_files import secrets_of_compose, unknown_settings

DOCKERFILES = sorted((ROOT / "docker").glob("*.Dockerfile"))
SCRIPTS = sorted((ROOT / "docker").rglob("*.sh"))
ENDS = ("migrate", "mlflow-init", "mssql-init", "postgres-init", "trainer", "trainer-gpu")
OURS = ("api", "api-gpu", "dashboard", "migrate", "mlflow", "mlflow-init", "trainer", "trainer-gpu")
SECRETS = sorted(secrets_of_compose())

# Settings that the stack has no use for: it sets where state, ports and addresses are.
OF_ONE_MACHINE = {"host", "api_port", "dashboard_port", "mlflow_port", "var_dir", "log_format"}
OF_THE_TRAINER = {"experiment", "inception_weights", "backbone_weights"}
OF_THE_DASHBOARD = {"api_url", "dashboard_session_upload_mb", "dashboard_upload_mb"}


@pytest.fixture(scope="module")
def env(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Secrets as docker/secrets.sh makes them."""
    file = tmp_path_factory.mktemp("stack") / "env"
    subprocess.run([ROOT / "docker/secrets.sh", file], check=True, capture_output=True)
    return file


@pytest.fixture(scope="module", params=VARIANTS)
def stack(request: pytest.FixtureRequest, env: Path) -> dict[str, Any]:
    """Each variant, as Compose reads it."""
    return read_compose(request.param, env)


@pytest.fixture(scope="module")
def with_sqlserver(env: Path) -> dict[str, Any]:
    return read_compose("sqlserver", env)


@pytest.fixture(scope="module")
def with_postgres(env: Path) -> dict[str, Any]:
    return read_compose("postgres", env)


def test_only_the_proxy_can_be_reached_and_from_this_machine_alone(stack: dict[str, Any]) -> None:
    published = {name: each.get("ports") for name, each in stack["services"].items()}
    assert [name for name, ports in published.items() if ports] == ["proxy"]
    ports = [_short(port) for port in published["proxy"]]
    first = [f"127.0.0.1:{port}:{port}" for port in (5000, 8000, 8501)]
    assert [port for port in sorted(ports) if not port.startswith("80:")] == first


def _short(port: Any) -> str:
    """A port of Compose V1 (a text) or V2 (a mapping)."""
    if isinstance(port, dict):
        host = f"{port['host_ip']}:" if "host_ip" in port else ""
        return f"{host}{port['published']}:{port['target']}"
    return str(port).removesuffix("/tcp")


@pytest.mark.parametrize("name", OURS)
def test_our_containers_have_no_rights_and_bounds(stack: dict[str, Any], name: str) -> None:
    service = stack["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["mem_limit"]
    assert service["pids_limit"]


def test_whoever_stays_is_watched_bounded_and_started_again(stack: dict[str, Any]) -> None:
    for name, service in stack["services"].items():
        assert service["mem_limit"], name
        assert service["logging"]["options"]["max-size"], name
        if name in ENDS:
            assert service["restart"] == "no", name
        else:
            assert service["healthcheck"]["test"], name
            assert service["restart"] == "unless-stopped", name


def test_the_dashboard_reaches_neither_redis_nor_mlflows_store(stack: dict[str, Any]) -> None:
    services = stack["services"]
    reached = networks_of(services["dashboard"])
    assert not reached & networks_of(services["redis"])
    assert not reached & networks_of(services["mlflow"])
    assert "store" not in reached


def test_redis_is_reached_by_the_api_alone(stack: dict[str, Any]) -> None:
    beside = {
        name
        for name, service in stack["services"].items()
        if networks_of(service) & networks_of(stack["services"]["redis"])
    }
    assert beside == {"redis", "api", "api-gpu"}


def test_networks_but_those_of_proxy_and_trainer_lead_nowhere_else(stack: dict[str, Any]) -> None:
    open_ones = {
        name for name, each in stack["networks"].items() if not (each or {}).get("internal")
    }
    assert open_ones == {"edge", "outside"}
    assert [n for n, s in stack["services"].items() if "edge" in networks_of(s)] == ["proxy"]


def test_state_is_in_volumes_that_the_files_name(stack: dict[str, Any]) -> None:
    for service in ("api", "mlflow", "postgres", "trainer", "proxy"):
        assert stack["services"][service]["volumes"], service
    assert {"api", "artifacts", "postgres", "training", "proxy-data"} <= set(stack["volumes"])


def test_sql_server_is_the_real_image_watched_and_set_up_by_sqlcmd(
    with_sqlserver: dict[str, Any],
) -> None:
    server, init = (with_sqlserver["services"][name] for name in ("mssql", "mssql-init"))
    assert server["image"] == init["image"]
    assert server["image"].startswith("mcr.microsoft.com/mssql/server:2022-latest@sha256:")
    assert "sqlcmd" in server["healthcheck"]["test"][1]
    assert init["entrypoint"][0].endswith("sqlcmd")
    assert "profiles" not in server
    urls = _databases(with_sqlserver)
    assert all(url.startswith("mssql+pyodbc://") for url in urls.values())


def test_with_postgresql_no_sql_server_is_started(with_postgres: dict[str, Any]) -> None:
    for name in ("mssql", "mssql-init"):
        left_out = {"profiles": ["sqlserver"]}  # as Compose V2 does
        assert with_postgres["services"].get(name, left_out)["profiles"] == ["sqlserver"]
    urls = _databases(with_postgres)
    assert all(url.startswith("postgresql+psycopg://") for url in urls.values())


def _databases(stack: dict[str, Any]) -> dict[str, str]:
    read = {name: variables_of(each) for name, each in stack["services"].items()}
    return {
        name: each["LEAFGATE_DATABASE_URL"]
        for name, each in read.items()
        if "LEAFGATE_DATABASE_URL" in each
    }


def test_each_part_signs_in_to_the_database_as_itself(stack: dict[str, Any]) -> None:
    logins = {name: url.split("//")[1].split(":")[0] for name, url in _databases(stack).items()}
    assert logins == {
        "api": "leafgate_service",
        "api-gpu": "leafgate_service",
        "dashboard": "leafgate_dashboard",
        "migrate": "leafgate_owner",
        "trainer": "leafgate_trainer",
        "trainer-gpu": "leafgate_trainer",
    }


def test_no_container_is_given_a_setting_that_does_not_exist(stack: dict[str, Any]) -> None:
    for name, service in stack["services"].items():
        assert unknown_settings(variables_of(service)) == set(), name


def test_the_api_is_passed_every_setting_that_concerns_it() -> None:
    file = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    given = {
        key.removeprefix("LEAFGATE_").lower() for key in file["services"]["api"]["environment"]
    }
    others = OF_ONE_MACHINE | OF_THE_TRAINER | OF_THE_DASHBOARD
    assert set(Settings.model_fields) - given == others


def test_a_setting_in_the_file_of_secrets_reaches_the_api(env: Path, tmp_path: Path) -> None:
    own = tmp_path / "env"
    own.write_text(f"{env.read_text()}LEAFGATE_PREDICT_LIMIT=7/minute\n")
    api = read_compose("postgres", own)["services"]["api"]
    assert variables_of(api)["LEAFGATE_PREDICT_LIMIT"] == "7/minute"


@pytest.mark.parametrize("name", SECRETS)
def test_no_secret_may_be_empty(name: str) -> None:
    file = (ROOT / "docker-compose.yml").read_text()
    asked = re.findall(rf"\$\{{{name}[^}}]*\}}", file)
    assert asked
    remedy = f"{name} is empty in .env, docker/secrets.sh fills it in"
    assert set(asked) == {f"${{{name}:?{remedy}}}"}


@pytest.mark.parametrize("name", SECRETS[::6])
def test_without_a_secret_compose_refuses_and_says_what_to_do(
    env: Path, tmp_path: Path, name: str
) -> None:
    without = tmp_path / "env"
    without.write_text(re.sub(rf"(?m)^{name}=.*$", f"{name}=", env.read_text()))
    done = compose("config", env=without)
    assert done.returncode != 0
    assert f"{name} is empty in .env, docker/secrets.sh fills it in" in done.stderr


def test_secrets_are_made_once_and_for_their_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "env"
    file.write_text("REDIS_PASSWORD=mine\nLEAFGATE_JWT_SECRET=\nAPI_PORT=9000\n")
    for _ in range(2):
        subprocess.run([ROOT / "docker/secrets.sh", file], check=True, capture_output=True)
        lines = dict(line.split("=", 1) for line in file.read_text().splitlines())
        assert lines["REDIS_PASSWORD"] == "mine"
        assert lines["API_PORT"] == "9000"
        assert set(SECRETS) <= set(lines)
        assert all(lines[name] for name in SECRETS)
        made = {lines[name] for name in SECRETS}
        assert len(made) == len(SECRETS)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert re.fullmatch("[0-9a-f]{64}", lines["LEAFGATE_AUDIT_KEY"])
    assert [each.name for each in tmp_path.iterdir()] == ["env"]


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda file: file.name)
def test_dockerfiles_pass_hadolint(file: Path) -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([hadolint, file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda file: file.name)
def test_dockerfiles_build_without_buildkit_and_end_without_rights(file: Path) -> None:
    text = file.read_text()
    assert "--mount" not in text
    assert "<<" not in text
    assert set(re.findall(r"^FROM (\S+)", text, re.MULTILINE)) == {"${PYTHON_IMAGE}"}
    if file.stem != "debian":
        assert re.findall(r"^USER (.*)$", text, re.MULTILINE) == ["10001"]


def test_scripts_pass_shellcheck() -> None:
    shellcheck = Path(sys.executable).with_name("shellcheck")
    done = subprocess.run(
        [shellcheck, *SCRIPTS], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


PIN = re.compile(r"^([\w.-]+)==(\S+)", re.MULTILINE)
LOCKS = sorted((ROOT / "docker/requirements").glob("*.txt"))
NOT_IN_THE_LOCK = re.compile(
    r"nvidia-[\w-]+|mssql-python-odbc|flask-wtf|wtforms|setuptools|uv"  # of CUDA; MLflow's sign-in
)


@pytest.mark.parametrize("file", LOCKS, ids=lambda file: file.stem)
def test_images_hold_the_versions_of_the_lock(file: Path) -> None:
    lock = dict(PIN.findall((ROOT / "requirements.txt").read_text()))
    pinned = dict(PIN.findall(file.read_text()))
    assert pinned
    strangers = {name for name in pinned if name not in lock}
    assert all(NOT_IN_THE_LOCK.fullmatch(name) for name in strangers), strangers
    assert {n: v for n, v in pinned.items() if n in lock} == {
        n: lock[n] for n in pinned if n in lock
    }
    assert len(re.findall("--hash=sha256:", file.read_text())) >= len(pinned)


def test_a_host_without_docker_gets_the_cuda_of_the_images() -> None:
    text = (ROOT / "requirements-gpu.txt").read_text()
    pinned = dict(PIN.findall(text))
    for image in ("trainer-gpu", "api-gpu"):
        lock = dict(PIN.findall((ROOT / f"docker/requirements/{image}.txt").read_text()))
        assert pinned == {name: lock[name] for name in lock if name.startswith("nvidia-")}
    assert len(pinned) >= 10
    entries = [line for line in text.splitlines() if not line.startswith("#")]
    assert len(re.findall("--hash=sha256:", text)) == len(entries) - len(pinned)
    assert not entries[-1].endswith("\\")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (extra,) = project["optional-dependencies"]["gpu"]
    (plain,) = (each for each in project["dependencies"] if each.startswith("tensorflow>"))
    assert extra == plain.replace("tensorflow", "tensorflow[and-cuda]")
    recipe = (ROOT / "Makefile").read_text()
    assert "--require-hashes -r requirements-gpu.txt" in recipe
    made = re.search(r"\tsed -n .*>requirements-gpu.txt", recipe)
    assert made
    command = made[0].strip().replace("$$", "$").removesuffix(" >requirements-gpu.txt")
    again = subprocess.run(["sh", "-c", command], cwd=ROOT, capture_output=True, text=True)
    assert again.stdout == text


def test_neither_api_nor_dashboard_hold_tensorflow() -> None:
    for name in ("api", "dashboard"):
        pinned = dict(PIN.findall((ROOT / f"docker/requirements/{name}.txt").read_text()))
        assert not {"tensorflow", "keras", "mlflow", "nncf"} & set(pinned)


def test_the_init_of_sql_server_is_short_tsql() -> None:
    script = (ROOT / "docker/mssql/leafgate.sql").read_text()
    assert len(script.splitlines()) < 80
    plain = re.sub(r"\$\((\w+)\)", r"\1", script)  # as sqlcmd fills it in
    # The linter does not know ALTER LOGIN, which Transact-SQL has.
    known, others = re.subn(r"(?m)^ALTER LOGIN \w+ WITH PASSWORD = '\w+';\n", "", plain)
    assert others == 4
    found = Linter(dialect="tsql").lint_string(known)
    assert [str(each) for each in found.get_violations() if each.rule_code() == "PRS"] == []


def test_every_login_of_the_files_is_made_on_both_databases() -> None:
    for file in ("docker/mssql/leafgate.sql", "docker/postgres/leafgate.sql"):
        script = (ROOT / file).read_text()
        for name in ("owner", "service", "dashboard", "trainer"):
            assert f"leafgate_{name}" in script
            assert f"{name.upper()}_PASSWORD" in script


def test_proxys_configuration_is_one_that_caddy_takes(tmp_path: Path) -> None:
    caddy = shutil.which("caddy") or absent("Caddy", "apt-get install caddy")
    done = subprocess.run(
        [caddy, "validate", "--adapter", "caddyfile", "--config", ROOT / "docker/proxy/Caddyfile"],
        env={"HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
