"""Copies of stored models on this machine: fetched by a process that ends with its caller."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from leafgate.errors import UserError
from leafgate.settings import Settings
from registry import PRODUCTION, LocalCopies, ModelStore, ModelVersion
from tests.commands import environment
from tests.integration.test_following_the_registry import (
    CLASSIFIER,
    away,
    contents,
    in_production,
    settings_of,
)


@pytest.fixture
def served(served_var: Path) -> Settings:
    """A store with a classifier in production."""
    return settings_of(served_var)


NOWHERE = ModelVersion(CLASSIFIER, 1, "", (), {"artifact.digest": "0" * 64}, 0)


def test_a_damaged_copy_is_replaced_by_what_mlflow_gives(served: Settings, tmp_path: Path) -> None:
    version = in_production(served)
    here = settings_of(tmp_path / "var", mlflow_tracking_uri=served.tracking_uri)
    damaged = here.models_dir / version.tags["artifact.digest"]
    shutil.copytree(ModelStore(served).stored_folder(version), damaged)
    (damaged / "code" / "leafgate" / "images.py").write_text("print('mine')")
    (here.models_dir / f".download-{damaged.name}").mkdir()  # a killed process's
    assert LocalCopies(here).folder(version) == damaged / "artifacts" / "model"
    assert contents(damaged) == contents(ModelStore(served).stored_folder(version))
    assert visible(here) == [damaged]


def visible(settings: Settings) -> list[Path]:
    """What is in the folder of copies, but for the locks."""
    return [path for path in settings.models_dir.iterdir() if path.suffix != ".lock"]


def test_two_that_fetch_the_same_at_once_both_get_it_whole(
    served: Settings, tmp_path: Path
) -> None:
    here = settings_of(tmp_path / "var", mlflow_tracking_uri=served.tracking_uri)
    version = in_production(served)
    with ThreadPoolExecutor() as pool:
        folders = list(pool.map(lambda copies: copies.folder(version), [LocalCopies(here)] * 2))
    assert contents(folders[0]) == contents(ModelStore(served).folder(version))
    assert [copy / "artifacts" / "model" for copy in visible(here)] == [folders[0]] == [folders[1]]


def test_what_went_wrong_in_the_fetching_process_is_told(
    served: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = settings_of(tmp_path / "var", mlflow_tracking_uri=served.tracking_uri)
    version = in_production(served)
    with pytest.raises(UserError, match="digest") as refused:
        LocalCopies(here).folder(with_digest(version, "0" * 64))
    assert refused.value.code == "artifact_changed"
    assert visible(here) == []
    broken = (sys.executable, "-c", "import sys; sys.exit('no room on the disk')")
    monkeypatch.setattr("registry.child_fetch.COMMAND", broken)
    with pytest.raises(UserError, match="no room on the disk") as refused:
        LocalCopies(here).folder(version)
    assert refused.value.code == "fetch_failed"


def with_digest(version: ModelVersion, digest: str) -> ModelVersion:
    return replace(version, tags={**version.tags, "artifact.digest": digest})


@pytest.mark.parametrize("digest", ["", "..", "../..", "/tmp", "A" * 64])
def test_a_digest_that_is_none_names_no_folder(digest: str, tmp_path: Path) -> None:
    settings = away(tmp_path)
    settings.models_dir.mkdir(parents=True)
    version = with_digest(ModelVersion(CLASSIFIER, 1, "", (), {}, 0), digest)
    for copies in (LocalCopies(settings), ModelStore(settings)):
        with pytest.raises(UserError, match="no digest"):
            copies.folder(version)
    assert list(settings.var_dir.iterdir()) == [settings.models_dir]


@contextmanager
def silent_server() -> Iterator[tuple[str, socket.socket]]:
    """An address where callers are let in and never answered."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(60)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", listener


def test_a_fetch_that_takes_too_long_is_given_up(tmp_path: Path) -> None:
    with silent_server() as (uri, _):
        settings = settings_of(tmp_path / "var", mlflow_tracking_uri=uri, model_fetch_seconds=1.0)
        with pytest.raises(UserError, match="nothing after 1 s") as refused:
            LocalCopies(settings).folder(NOWHERE)
    assert refused.value.code == "fetch_failed"


FETCH = """
from leafgate.settings import Settings
from registry import LocalCopies
from tests.integration.test_local_copies import NOWHERE

LocalCopies(Settings()).folder(NOWHERE)
"""


def test_a_killed_service_leaves_no_process_and_no_half_copy(tmp_path: Path) -> None:
    with silent_server() as (uri, listener):
        env = environment(tmp_path / "var", mlflow_tracking_uri=uri)
        with subprocess.Popen([sys.executable, "-c", FETCH], env=env) as parent:
            caller, _ = listener.accept()
            (child,) = children(parent.pid)
            assert b"registry.fetch" in Path(f"/proc/{child}/cmdline").read_bytes()
            parent.kill()
        eventually(lambda: not is_there(child))
        caller.close()
    assert visible(settings_of(tmp_path / "var")) == []


def children(process: int) -> list[int]:
    listed = Path(f"/proc/{process}/task").glob("*/children")
    return [int(number) for file in listed for number in file.read_text().split()]


def is_there(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return "\nState:\tZ" not in Path(f"/proc/{process}/status").read_text()


def eventually(holds: Callable[[], bool]) -> None:
    for _ in range(600):
        if holds():
            return
        time.sleep(0.05)
    raise AssertionError("it never came true")


def test_what_was_served_last_is_known_after_a_restart(served: Settings, tmp_path: Path) -> None:
    version = in_production(served)
    here = settings_of(tmp_path / "var")
    assert LocalCopies(here).recalled(CLASSIFIER, PRODUCTION) is None
    LocalCopies(here).remember(PRODUCTION, version)
    assert LocalCopies(here).recalled(CLASSIFIER, PRODUCTION) == version
    assert LocalCopies(here).recalled(CLASSIFIER, "staging") is None


@pytest.mark.parametrize(
    "change",
    [
        lambda noted: {},
        lambda noted: [noted],
        lambda noted: {**noted, "name": "another"},
        lambda noted: {**noted, "version": "1"},
        lambda noted: {**noted, "tags": {"artifact.digest": None}},
        lambda noted: {name: value for name, value in noted.items() if name != "run_id"},
    ],
)
def test_a_note_that_is_not_understood_is_none(
    change: Callable[[dict[str, object]], object], tmp_path: Path
) -> None:
    copies = LocalCopies(settings_of(tmp_path / "var"))
    copies.remember(PRODUCTION, NOWHERE)
    (note,) = (tmp_path / "var" / "serving").iterdir()
    note.write_text(json.dumps(change(json.loads(note.read_text()))))
    assert copies.recalled(CLASSIFIER, PRODUCTION) is None
    note.write_text(note.read_text()[:20])
    assert copies.recalled(CLASSIFIER, PRODUCTION) is None


def test_copies_that_nobody_asked_for_in_a_month_are_removed_but_for_what_is_served(
    tmp_path: Path,
) -> None:
    settings = settings_of(tmp_path / "var")
    copies = LocalCopies(settings)
    old, new, live, noted = (letter * 64 for letter in "abcd")
    for digest in (old, new, live, noted):
        (settings.models_dir / digest).mkdir(parents=True)
    copies.remember(PRODUCTION, with_digest(NOWHERE, noted))
    long_ago = time.time() - 40 * 86_400
    for digest in (old, live, noted):
        os.utime(settings.models_dir / digest, (long_ago, long_ago))
    assert copies.prune({live}) == (old,)
    assert sorted(path.name for path in visible(settings)) == [new, live, noted]
