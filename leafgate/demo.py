"""`leafgate demo`: the services, and beside them the whole loop as a user runs it first.

The services start first, all at once, while nothing else is done. The training runs in a process
of its own, so that its memory is free again in the end; the API takes up what the gate promotes.
"""

import json
import os
import secrets
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from types import FrameType
from typing import NoReturn

import typer

from leafgate.clients import DEMO, user_agent
from leafgate.errors import UserError
from leafgate.loop import run_loop
from leafgate.ports import hand_over, listen
from leafgate.proxies import has_proxy
from leafgate.settings import Settings
from leafgate.strict_json import dump_json

__all__ = ["run_demo", "run_loop"]

HELD_BACK = 3
NOT_AGAIN = "what is trained is not trained again"
POLL_SECONDS = "2"  # between the API's looks for a promotion, where no setting says otherwise
LOAD_SECONDS = 60  # for a promoted model to be noticed and loaded
LAST_LINES = 12  # of a service's log, shown where it ends
START_SECONDS = 120
STOP_SECONDS = 15
USER = "demo"


@dataclass(frozen=True)
class Account:
    """The demo's own secrets, made once and kept readable by this user alone."""

    jwt_secret: str
    password: str


@dataclass(frozen=True)
class Service:
    """One part that stays up.

    probe: answers 200 once it is ready for people. options: of the command.
    """

    command: str
    address: str
    probe: str
    port: int
    setting: str
    options: tuple[str, ...] = ()


def run_demo(settings: Settings, data: Path | None, options: Sequence[str] = ()) -> None:
    """Services, loop, addresses; returns after Ctrl-C. options: of `leafgate demo`, for the loop.

    Raises UserError where a port is taken, or a service ends as it starts; nothing is trained then.
    """
    parts = services(settings)
    with listening(settings, parts) as listeners, _signals_stop_services():
        account = make_account(settings)
        with running(settings, parts, account, listeners) as processes:
            promoted = _train_and_gate(data, options)
            if promoted:
                _await_models(settings)
            _require_all_alive(processes, _logs(settings))
            typer.echo(farewell(settings, parts, account, data, promoted))
            _wait(processes, _logs(settings))
    typer.echo("stopped")


@contextmanager
def _signals_stop_services() -> Iterator[None]:
    """SIGTERM, and a terminal that is closed (but for nohup), end the block as Ctrl-C does."""

    def leave(number: int, _frame: FrameType | None) -> NoReturn:
        sys.exit(128 + number)

    numbers = [
        number
        for number in (signal.SIGTERM, signal.SIGHUP)
        if signal.getsignal(number) is not signal.SIG_IGN
    ]
    before = {number: signal.signal(number, leave) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)


def services(settings: Settings) -> list[Service]:
    """The three that a person opens; without MLflow where a server of it is configured."""
    mlflow = Service(
        "mlflow",
        settings.address(settings.mlflow_port),
        "/health",
        settings.mlflow_port,
        "LEAFGATE_MLFLOW_PORT",
        ("--no-link",),  # its output is a log file, which is no place for a token
    )
    api = Service(
        "serve",
        settings.address(settings.api_port),
        "/health",
        settings.api_port,
        "LEAFGATE_API_PORT",
    )
    dashboard = Service(
        "dashboard",
        settings.address(settings.dashboard_port),
        "/_stcore/health",
        settings.dashboard_port,
        "LEAFGATE_DASHBOARD_PORT",
    )
    return (
        [api, dashboard] if settings.tracking_uri.startswith("http") else [mlflow, api, dashboard]
    )


def _train_and_gate(data: Path | None, options: Sequence[str]) -> bool:
    command = [sys.executable, "-m", "leafgate.cli", "demo", "--no-serve", *options]
    code = subprocess.call([*command, *(["--data", str(data)] if data else [])])
    if code not in (0, HELD_BACK):
        raise typer.Exit(code)
    return code == 0


def make_account(settings: Settings) -> Account:
    """The demo's user, in the database and in a file of mode 0600; the same on every run."""
    from serving import hash_password
    from sql import add_user, find_user, migrate, open_database

    file = settings.var_dir / "demo" / "account.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    if not file.is_file():
        made = {"jwt_secret": secrets.token_hex(32), "password": secrets.token_urlsafe(9)}
        beside = file.with_suffix(".part")
        beside.touch(mode=0o600)
        beside.write_text(dump_json(made), encoding="utf-8")
        beside.replace(file)
    account = Account(**json.loads(file.read_text(encoding="utf-8")))
    database = open_database(settings.database)
    migrate(database)
    if find_user(database, USER) is None:
        scopes = ("predict", "generate", "feedback", "admin")
        add_user(database, USER, hash_password(account.password), scopes)
    database.dispose()
    return account


@contextmanager
def running(
    settings: Settings, parts: list[Service], account: Account, listeners: list[socket.socket]
) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    """Start the services at once, wait until each answers, and stop them all in the end.

    listeners: a socket for each, bound already, so that no other program can answer in its place;
    they are closed here and are the services' alone. Raises UserError where one ends as it starts.
    """
    environment = {
        **os.environ,
        "LEAFGATE_VAR_DIR": str(settings.var_dir),
        "LEAFGATE_JWT_SECRET": os.environ.get("LEAFGATE_JWT_SECRET") or account.jwt_secret,
    }
    if "model_poll_seconds" not in settings.model_fields_set:
        environment["LEAFGATE_MODEL_POLL_SECONDS"] = POLL_SECONDS
    logs = _logs(settings)
    logs.mkdir(parents=True, exist_ok=True)
    processes: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for part, listener in zip(parts, listeners, strict=True):
            processes[part.command] = _start(part, listener, environment, logs)
            listener.close()
        typer.echo(f"starting {', '.join(processes)} …", err=True)
        for part in parts:
            _await(part, processes, logs)
        _require_all_alive(processes, logs)
        yield processes
    finally:
        _stop(processes)


@contextmanager
def listening(settings: Settings, parts: list[Service]) -> Iterator[list[socket.socket]]:
    """Sockets on the ports of all parts, at once. Raises UserError where one is taken."""
    with ExitStack() as opened:
        yield [
            opened.enter_context(listen(settings.host, part.port, part.setting, at_once=True))
            for part in parts
        ]


def _start(
    part: Service, listener: socket.socket, environment: Mapping[str, str], logs: Path
) -> subprocess.Popen[bytes]:
    own = dict(environment)
    descriptor = hand_over(listener, own)
    with (logs / f"{part.command}.log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "leafgate.cli", part.command, *part.options],
            env=own,
            pass_fds=(descriptor,),
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for us; we stop them in order
        )


def _logs(settings: Settings) -> Path:
    return settings.var_dir / "demo" / "logs"


def _await(part: Service, processes: Mapping[str, subprocess.Popen[bytes]], logs: Path) -> None:
    """Until the part answers. Raises UserError where it takes too long, or any of them ends."""
    deadline = time.monotonic() + START_SECONDS
    while not _answers(part.address + part.probe):
        _require_all_alive(processes, logs)
        if time.monotonic() > deadline:
            raise UserError(
                f"`leafgate {part.command}` does not answer at {part.address} after "
                f"{START_SECONDS} s; {_last_words(part.command, logs)}",
                f"look into {logs / part.command}.log",
                code="service_ended",
            )
        time.sleep(0.2)


def _require_all_alive(processes: Mapping[str, subprocess.Popen[bytes]], logs: Path) -> None:
    for name, process in processes.items():
        _require_alive(name, process, logs)


def _require_alive(name: str, process: subprocess.Popen[bytes], logs: Path) -> None:
    code = process.poll()
    if code is not None:
        raise UserError(
            f"`leafgate {name}` ended with {code} as it started; {_last_words(name, logs)}",
            f"do what they say, or look into {logs / name}.log; then give the command again: "
            f"{NOT_AGAIN}",
            code="service_ended",
        )


def _last_words(name: str, logs: Path) -> str:
    """The end of a service's log, to be shown."""
    try:
        lines = (logs / f"{name}.log").read_text(errors="replace").splitlines()
    except OSError:
        lines = []
    return "\n".join(["its last lines:", *(f"    {line}" for line in lines[-LAST_LINES:])])


def _await_models(settings: Settings) -> None:
    """Give the API time to notice and load what was promoted; until then /ready answers 503."""
    deadline = time.monotonic() + LOAD_SECONDS
    while time.monotonic() < deadline:
        if _answers(f"{settings.address(settings.api_port)}/ready"):
            return
        time.sleep(0.1)


def _answers(address: str) -> bool:
    """Whether it answers 200 now. A bound socket takes connections before its service is there."""
    directly = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with directly.open(address, timeout=1) as answer:
            return bool(answer.status == 200)
    except (OSError, HTTPException):
        return False


def farewell(
    settings: Settings, parts: list[Service], account: Account, data: Path | None, promoted: bool
) -> str:
    """What a newcomer needs now: addresses, user, and a line that works when pasted."""
    from registry import sign_in_link

    address = {part.command: part.address for part in parts}
    mlflow = sign_in_link(settings) if "mlflow" in address else settings.mlflow_address
    folder = data.expanduser().resolve() if data else settings.var_dir / "demo" / "leaves"
    state = (
        "The classifier passed the gate and is in production."
        if promoted
        else "The gate held the classifier back (report above): /predict answers 503 until a "
        "version passes. Everything else is up."
    )
    return "\n".join(
        [
            "",
            state,
            "",
            f"  dashboard  {address['dashboard']}",
            f"  API        {address['serve']}/docs",
            f"  MLflow     {mlflow}",
            f"  sign in    user {USER}, password {account.password}",
            "",
            "Classify an image from another terminal:",
            "",
            f"  {curl_line(address['serve'], account.password, _first_image(folder))}",
            "",
            "Ctrl-C stops everything.",
        ]
    )


def curl_line(api: str, password: str, image: Path) -> str:
    """One shell line: sign in, then classify `image`; past a proxy that the shell has set. The log
    has it as the demo's.
    """
    curl = f"curl -s --noproxy {shlex.quote('*')}" if has_proxy() else "curl -s"
    curl += f" -A {user_agent(DEMO)}"
    read_out = 'import json,sys;print(json.load(sys.stdin)["access_token"])'
    token = (
        f"$({curl} {shlex.quote(f'{api}/token')} -d username={USER} "
        f"-d password={shlex.quote(password)} "
        f"| {shlex.quote(sys.executable)} -c {shlex.quote(read_out)})"
    )
    path = str(image).replace("\\", "\\\\").replace('"', '\\"')  # as curl reads it in quotes
    upload = shlex.quote(f'file=@"{path}"')
    return f'{curl} {shlex.quote(f"{api}/predict")} -H "Authorization: Bearer {token}" -F {upload}'


def _first_image(folder: Path) -> Path:
    """One of the images, wherever they lie below the folder."""
    from leafgate.images import SUFFIXES

    found = (
        file
        for file in sorted(folder.rglob("*"))
        if file.suffix.lower() in SUFFIXES
        and not any(part.startswith((".", "__")) for part in file.relative_to(folder).parts)
    )
    return next(found, Path("leaf.jpg"))


def _wait(processes: Mapping[str, subprocess.Popen[bytes]], logs: Path) -> None:
    """Until Ctrl-C or SIGTERM; a service that ends by itself is told of, the others stay up."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    told: set[str] = set()
    while not stop.wait(0.5):
        for name, process in processes.items():
            if process.poll() is not None and name not in told:
                told.add(name)
                words = f"`leafgate {name}` ended with {process.returncode}"
                typer.secho(f"{words}; {_last_words(name, logs)}", fg="yellow", err=True)
                typer.echo(
                    f"  what to do: look into {logs / name}.log; Ctrl-C stops what is left",
                    err=True,
                )


def _stop(processes: dict[str, subprocess.Popen[bytes]]) -> None:
    for process in processes.values():
        _signal(process, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    for process in processes.values():
        try:
            process.wait(max(deadline - time.monotonic(), 0.1))
        except subprocess.TimeoutExpired:
            _signal(process, signal.SIGKILL)
            process.wait()


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return  # it ended by itself, with all it started
