"""What some tests need from the machine, and what happens where it is absent.

A missing part skips the test with a reason; LEAFGATE_REQUIRE_ALL=1 (set by CI) makes that a
failure, so that no skipped test passes unseen.
"""

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest


def absent(what: str, remedy: str) -> NoReturn:
    """Skip the calling test, or fail it where everything is required."""
    reason = f"{what} is not here: {remedy}"
    if os.environ.get("LEAFGATE_REQUIRE_ALL") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


def postgresql_bin() -> Path:
    """The folder with PostgreSQL's `initdb` and `postgres`."""
    candidates = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    found = shutil.which("initdb")
    folders = [*candidates, *([Path(found).resolve().parent] if found else [])]
    for folder in folders:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    absent("PostgreSQL", "apt-get install postgresql")


def redis_server() -> Path:
    """The `redis-server` program."""
    found = shutil.which("redis-server")
    return Path(found) if found else absent("Redis", "apt-get install redis-server")


def kubectl() -> Path:
    """The `kubectl` program; it needs no cluster to build a kustomization."""
    found = shutil.which("kubectl")
    remedy = "https://kubernetes.io/docs/tasks/tools, 1.22 or newer"
    return Path(found) if found else absent("kubectl", remedy)


def chromium() -> Path:
    """A Chromium or Chrome program."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    found = next((path for name in names if (path := shutil.which(name))), None)
    return Path(found) if found else absent("Chromium", "apt-get install chromium")


def freetds() -> Path:
    """FreeTDS's ODBC driver, which takes unixODBC too."""
    found = sorted(Path("/usr/lib").glob("**/libtdsodbc.so"))
    return found[0] if found else absent("FreeTDS's ODBC driver", "apt-get install tdsodbc")
