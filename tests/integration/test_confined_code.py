"""Code that is stored with a model can neither read, write nor reach anything of ours as it runs.

The hostile model is a PyFunc like any other, run as the gate runs it: each attempt is made by real
code in the real process, and says what it came to in place of a class.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from leafgate.settings import Settings
from registry import sandbox
from registry.confinement import landlock_version
from registry.pyfunc_answers import pyfunc_answers
from registry.sandbox import Confined, SandboxFailed, run_confined
from tests.folder_names import ALL_IN_ONE

pytestmark = pytest.mark.skipif(
    landlock_version() == 0 and not os.environ.get("LEAFGATE_REQUIRE_ALL"),
    reason="this kernel has no Landlock",
)

ATTEMPTS = {
    "read the key": "open(KEY).read()",
    "read it by the root folder": "open('/proc/self/root' + KEY).read()",
    "list var": "os.listdir(VAR)",
    "read the home folder": "os.listdir(os.path.expanduser('~root'))",
    "read .env": "open(FOLDER + '/.env').read()",
    "read the gate's code": "open(CHECKOUT + '/leafgate/audit_key.py').read()",
    "read the gate's environment": "open(f'/proc/{os.getppid()}/environ').read()",
    "read the gate's memory": "open(f'/proc/{os.getppid()}/mem', 'rb').read(1)",
    "list the gate's files": "os.listdir(f'/proc/{os.getppid()}/fd')",
    "trace the gate": "libc('ptrace', 16, os.getppid(), 0, 0)",
    "read another's memory by a call": "libc('process_vm_readv', os.getppid(), 0, 0, 0, 0, 0)",
    "end the gate": "os.kill(os.getppid(), 9)",
    "end its group": "os.killpg(os.getpgid(os.getppid()), 9)",
    "signal it by a file": "fcntl.fcntl(os.pipe()[0], 8, os.getppid())",
    "bound the gate": "resource.prlimit(os.getppid(), resource.RLIMIT_CPU, (0, 0))",
    "outlive the gate": "raw(157, 1, 0, 0, 0, 0)",
    "connect": "socket.create_connection(('127.0.0.1', PORT), 5)",
    "send a datagram": "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', HERE)",
    "connect to a file": "socket.socket(socket.AF_UNIX).connect(UNIX)",
    "a pair of sockets": "socket.socketpair()",
    "requests past the filter": "raw(425, 8, ctypes.create_string_buffer(120))",
    "write a file": "open(FOLDER + '/mine', 'w').write('x')",
    "write to the model": "open(__file__, 'a').write('x')",
    "write to Python": "open(os.__file__, 'a').write('x')",
    "cut a file": "os.truncate(KEY, 0)",
    "open the key to all": "os.chmod(KEY, 0o777)",
    "age a file": "os.utime(KEY, (0, 0))",
    "remove a file": "os.unlink(KEY)",
    "move a file here": "os.rename(KEY, 'key')",
    "link a file here": "os.link(KEY, 'key')",
    "a link that the gate may follow": "os.symlink(KEY, 'key')",
    "a pipe that the gate may open": "os.mkfifo('pipe')",
    "start a program": "subprocess.run(['/bin/true'])",
    "start a shell": "os.posix_spawn('/bin/sh', ['sh'], {})",
    "fork": "os.fork()",
    "another user namespace": "raw(272, 0x10000000)",
    "a file in memory alone": "os.memfd_create('x')",
    "shared memory": "raw(29, 1, 4096, 0o1600)",
    "a device": "open('/dev/tty', 'w')",
    "root's powers": "checked(own.sethostname(NAME, len(NAME)))",
    "keep others from a file": "fcntl.fcntl(open(json.__file__), 1024, 0)",
    "inherited files": "no_files()",
    "settings in the environment": "no_settings()",
}  # fmt: skip
WORKS = {
    "a file of its own": "open('own', 'w').write('x')",
    "threads": "threading.Thread(target=print).start()",
    "its own limits": "resource.getrlimit(resource.RLIMIT_CPU)",
}

HOSTILE = """
    import ctypes, fcntl, json, os, resource, socket, subprocess, sys, threading
    import mlflow, pandas as pd

    GIVEN = json.loads(GIVEN_JSON)
    KEY, VAR, FOLDER, PORT, UNIX = (GIVEN[n] for n in ("key", "var", "folder", "port", "unix"))
    CHECKOUT, HERE = GIVEN["checkout"], ("127.0.0.1", PORT)
    NAME = os.uname().nodename.encode()
    CODES = iter(GIVEN["attempts"].values())
    own = ctypes.CDLL(None, use_errno=True)

    def libc(name, *arguments):
        return checked(getattr(own, name)(*[ctypes.c_long(each) for each in arguments]))

    def raw(number, *arguments):
        return checked(own.syscall(number, *arguments))

    def checked(answer):
        if answer < 0:
            raise OSError(ctypes.get_errno(), "refused")
        return answer

    def no_files():
        for number in map(int, os.listdir("/proc/self/fd")):
            try:
                place = os.readlink(f"/proc/self/fd/{number}")
            except OSError:
                continue
            if place.startswith((VAR, GIVEN["open"])):
                return place
        raise OSError("none of ours")

    def no_settings():
        ours = {"LEAFGATE_ENGINE"}
        found = {n for n in os.environ if n.startswith(("LEAFGATE", "MLFLOW_TRACKING"))} - ours
        if not found and not any("canary" in value for value in os.environ.values()):
            raise OSError("none")
        return found

    def attempt(code):
        try:
            return f"DONE {eval(code)!r}"
        except Exception as error:
            return f"refused {type(error).__name__} {error}"

    class Hostile(mlflow.pyfunc.PythonModel):
        def predict(self, context, model_input, params=None):
            codes = [next(CODES) for _ in model_input["image"]]
            return pd.DataFrame({"class": [attempt(code) for code in codes]})

    mlflow.models.set_model(Hostile())
"""


@pytest.fixture(scope="module")
def came_to(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[dict[str, str], Path, list[str]]]:
    """What each attempt came to, the folder that they were made on, and who was reached."""
    folder = tmp_path_factory.mktemp("confined")
    settings = _settings(folder)
    reached: list[str] = []
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.socket(socket.AF_UNIX) as unix,
        (folder / "open").open("w") as inherited,
    ):
        os.set_inheritable(inherited.fileno(), True)
        unix.bind(str(folder / "unix"))
        unix.listen()
        for name, server in (("tcp", listener), ("unix", unix)):
            server.settimeout(0.1)
            threading.Thread(target=_note_callers, args=(name, server, reached)).start()
        given = {
            "key": str(settings.var_dir / "audit.key"),
            "var": str(settings.var_dir),
            "folder": str(folder),
            "port": listener.getsockname()[1],
            "unix": str(folder / "unix"),
            "open": str(folder / "open"),
            "checkout": str(Path(__file__).parents[2]),
            "attempts": {**ATTEMPTS, **WORKS},
        }
        os.environ["LEAFGATE_AUDIT_KEY"] = "canary" * 10
        try:
            answers = _run(settings, folder, HOSTILE, given, len(given["attempts"]))
        finally:
            del os.environ["LEAFGATE_AUDIT_KEY"]
        yield dict(zip(given["attempts"], answers, strict=True)), folder, reached


def _settings(folder: Path) -> Settings:
    settings = Settings(_env_file=None, var_dir=folder / "var")  # type: ignore[call-arg]
    settings.var_dir.mkdir()
    (settings.var_dir / "audit.key").write_text("canary")
    (folder / ".env").write_text("LEAFGATE_AUDIT_KEY=canary")
    return settings


def _note_callers(name: str, server: socket.socket, reached: list[str]) -> None:
    while server.fileno() >= 0:
        try:
            server.accept()
            reached.append(name)
        except TimeoutError:
            continue
        except OSError:
            return


def _run(settings: Settings, folder: Path, code: str, given: object, images: int) -> list[str]:
    """The classes that a PyFunc of that code names."""
    files = []
    for number in range(images):
        file = folder / f"{number}.png"
        file.write_bytes(b"no picture")
        files.append(file)
    return pyfunc_answers(settings, _stored(settings, code, given), files)


def _stored(settings: Settings, code: str, given: object) -> Path:
    import mlflow

    stored = settings.models_dir / "stored"
    shutil.rmtree(stored, ignore_errors=True)
    script = settings.var_dir / "hostile.py"
    text = textwrap.dedent(code).replace("GIVEN_JSON", repr(json.dumps(given)))
    script.write_text("import mlflow\nmlflow.models.set_model(mlflow.pyfunc.PythonModel())")
    inert = "class Inert(mlflow.pyfunc.PythonModel):\n    def predict(self, a): return a\n"
    script.write_text(f"import mlflow\n{inert}mlflow.models.set_model(Inert())")
    mlflow.pyfunc.save_model(path=str(stored), python_model=str(script), pip_requirements=[])
    (stored / "hostile.py").write_text(text)  # only now: saving runs the code
    return stored


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_stored_code_cannot(attempt: str, came_to: tuple[dict[str, str], Path, list[str]]) -> None:
    answers, _, _ = came_to
    assert answers[attempt].startswith("refused")
    assert "Error" in answers[attempt]
    assert "NameError" not in answers[attempt]
    assert "canary" not in answers[attempt]


@pytest.mark.parametrize("what", WORKS)
def test_stored_code_can(what: str, came_to: tuple[dict[str, str], Path, list[str]]) -> None:
    answers, _, _ = came_to
    assert answers[what].startswith("DONE")


def test_nothing_was_reached_and_nothing_is_changed(
    came_to: tuple[dict[str, str], Path, list[str]],
) -> None:
    _, folder, reached = came_to
    assert reached == []
    assert (folder / "var" / "audit.key").read_text() == "canary"
    assert not (folder / "mine").exists()


BARE = """
    import json, os, sys, time
    import mlflow, pandas as pd

    class Bare(mlflow.pyfunc.PythonModel):
        def predict(self, context, model_input, params=None):
            BODY

    mlflow.models.set_model(Bare())
"""


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("os._exit(0)", "its process ended with 0"),
        ("os.kill(os.getpid(), 11)", "its process ended with -11"),
        ("os.write(2, b'\\x1b[2Jbye'); os._exit(3)", r"ended with 3 \( \[2Jbye"),
        ("os.write(int(sys.argv[1]), b'x' * 20_000_000); os._exit(0)", "answered 20,000,000 bytes"),
        ("os.write(int(sys.argv[1]), b'{}'); os._exit(0)", "cannot be read"),
        ("os.write(int(sys.argv[1]), b'[' * 100_000); os._exit(0)", "cannot be read"),
        ("os.write(int(sys.argv[1]), b'{\"classes\": [1]}'); os._exit(0)", "is no text"),
        ("return pd.DataFrame({'class': ['x'] * 3})", "a class for each of 1 images"),
        ("return pd.DataFrame({'class': ['x' * 1000]})", "too long"),
        ("open('x', 'wb').write(b'x' * 300_000_000)", "its process ended with"),
        ("bytearray(20 * 2**30)", "its process ended with"),
    ],
)  # fmt: skip
def test_a_model_that_answers_badly_fails_and_harms_nobody(
    body: str, told: str, tmp_path: Path
) -> None:
    settings = _settings(tmp_path)
    with pytest.raises(SandboxFailed, match=told) as refused:
        _run(settings, tmp_path, BARE.replace("BODY", body), {}, 1)
    assert "\x1b" not in refused.value.problem


def test_the_model_may_lie_in_a_folder_of_any_name(tmp_path: Path) -> None:
    project = tmp_path / "C# work" / ALL_IN_ONE
    project.mkdir(parents=True)
    answer = "return pd.DataFrame({'class': ['a leaf'] * len(model_input)})"
    assert _run(_settings(project), project, BARE.replace("BODY", answer), {}, 2) == ["a leaf"] * 2


def test_one_that_goes_on_for_ever_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("registry.pyfunc_answers.SECONDS", 20.0)
    settings = _settings(tmp_path)
    with pytest.raises(SandboxFailed, match="ended after 20 s"):
        _run(settings, tmp_path, BARE.replace("BODY", "time.sleep(600)"), {}, 1)


def test_one_that_fills_the_disk_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "DISK_BYTES", 50_000_000)
    body = "[open(str(n), 'wb').write(b'x' * 20_000_000) for n in range(9)]; time.sleep(60)"
    with pytest.raises(SandboxFailed, match="filled the disk"):
        _run(_settings(tmp_path), tmp_path, BARE.replace("BODY", body), {}, 1)


def test_one_that_starts_thousands_of_threads_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system has a bounded number of them, for all processes together."""
    monkeypatch.setattr(sandbox, "THREADS", 300)
    start = "threading.Thread(target=time.sleep, args=(60,)).start()"
    body = f"import threading; [{start} for _ in range(600)]; time.sleep(60)"
    with pytest.raises(SandboxFailed, match="more than 300 threads"):
        _run(_settings(tmp_path), tmp_path, BARE.replace("BODY", body), {}, 1)


def test_nothing_is_run_where_the_kernel_cannot_confine_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel says so by what a container's filter answers: Landlock's calls are refused."""
    worker = tmp_path / "worker.py"
    here = Path(sandbox.__file__).parent
    (tmp_path / "confinement.py").write_text(
        (here / "confinement.py").read_text().replace("CREATE_RULESET, ADD", "_, ADD", 1)
        + "\nCREATE_RULESET = 999\n"
    )
    worker.write_text((here / "pyfunc_worker.py").read_text())
    monkeypatch.setattr("registry.pyfunc_answers.WORKER", worker)
    mark = tmp_path / "ran"
    body = f"open({str(mark)!r}, 'w')"
    from leafgate.errors import UserError

    with pytest.raises(UserError, match="was not run: the kernel has no Landlock") as refused:
        _run(_settings(tmp_path), tmp_path, BARE.replace("BODY", body), {}, 1)
    assert (refused.value.code, mark.exists()) == ("no_sandbox", False)


def test_state_that_lies_among_pythons_packages_stops_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from leafgate.errors import UserError

    confined = Confined(tmp_path / "none.py", (tmp_path,), (tmp_path / "var",), {}, 1)
    with pytest.raises(UserError, match="could read") as refused:
        run_confined(confined, ())
    assert refused.value.code == "no_sandbox"


def test_it_ends_with_the_gate(tmp_path: Path) -> None:
    settings = _settings(tmp_path)
    stored = _stored(settings, BARE.replace("BODY", "time.sleep(600)"), {})
    (tmp_path / "0.png").write_bytes(b"no picture")
    code = f"""if True:
        from pathlib import Path
        from leafgate.settings import Settings
        from registry.pyfunc_answers import pyfunc_answers
        settings = Settings(_env_file=None, var_dir=Path({str(settings.var_dir)!r}))
        pyfunc_answers(settings, Path({str(stored)!r}), [Path({str(tmp_path / "0.png")!r})])
    """
    gate = subprocess.Popen([sys.executable, "-c", code])
    children: set[int] = set()
    for _ in range(300):
        children = _children(gate.pid)
        if children:
            break
        time.sleep(0.1)
    time.sleep(3)  # it has confined itself by then, and loads
    gate.send_signal(signal.SIGKILL)
    gate.wait()
    assert children
    for _ in range(100):
        if not any(_is_running(child) for child in children):
            return
        time.sleep(0.1)
    raise AssertionError("it runs on without the gate")


def _children(parent: int) -> set[int]:
    text = Path(f"/proc/{parent}/task/{parent}/children").read_text()
    return set(map(int, text.split()))


def _is_running(process: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{process}/stat").read_text().rpartition(")")[2]
    except OSError:
        return False
