"""A server under measurement is measured with all it started, and leaves nothing behind."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.servers import Server, descendants, free_port, running, usage_of
from leafgate.errors import UserError

PARENT = """
import http.server, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", '''
data = bytearray(60_000_000)
sum(range(3_000_000))
print("made", flush=True)
import time; time.sleep(600)
'''], stdout=subprocess.PIPE)
child.stdout.readline()
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])),
                                http.server.SimpleHTTPRequestHandler).serve_forever()
"""


def _server(script: str) -> Server:
    port = free_port()
    return Server((sys.executable, "-c", script, str(port)), dict(os.environ), port, "/")


def test_usage_is_of_the_whole_process_tree(tmp_path: Path) -> None:
    with running(_server(PARENT), tmp_path / "log") as server:
        usage = server.usage()
    assert usage.processes == 2
    assert usage.peak_mb > 60_000_000 / 2**20 + 10
    assert usage.cpu_seconds > 0
    assert server.start_seconds > 0


def test_a_server_ends_with_all_it_started(tmp_path: Path) -> None:
    with running(_server(PARENT), tmp_path / "log") as server:
        tree = descendants(server.process.pid)
    assert len(tree) == 2
    for _ in range(100):  # the orphan is reaped by others, in their time
        if not any(_runs(one) for one in tree):
            return
        time.sleep(0.05)
    raise AssertionError(f"left running: {[one for one in tree if _runs(one)]}")


def test_a_server_that_dies_is_told_with_the_end_of_its_log(tmp_path: Path) -> None:
    dying = running(_server("raise SystemExit('no such model')"), tmp_path / "log")
    with pytest.raises(UserError, match="does not get ready") as raised, dying:
        pass
    assert "no such model" in raised.value.fix


def test_a_process_that_has_ended_uses_nothing() -> None:
    ended = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], stdout=-1)
    assert usage_of(int(ended.stdout)) == (0, 0, 0)


def _runs(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
