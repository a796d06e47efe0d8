"""The state folder and all in it are for the user who runs LeafGate, whatever the umask."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from leafgate.files import STATE_FILES, STATE_FOLDERS, keep_files_private, narrow_state
from leafgate.settings import Settings
from tests.commands import environment, leafgate
from tests.rights import mode, open_to_others

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture
def wide(tmp_path: Path, usual_umask: None) -> Path:
    """A state folder as versions before this one made it."""
    var = tmp_path / "var"
    for name in ("leafgate.db", "leafgate.db-wal", "audit.key", "mlflow/mlflow.db", "demo/a/b.png"):
        file = var / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("x")
    (var / "mlflow").chmod(0o777)
    return var


def test_what_commands_write_is_for_this_user_alone(tmp_path: Path) -> None:
    var = tmp_path / "deep" / "var"
    env = environment(var)
    before = os.umask(0)  # the most that a machine can allow
    try:
        for command in (
            ("users", "add", "ada", "--scope", "predict"),
            ("data", "demo", "--out", var / "demo" / "leaves", "--count", "6"),
        ):
            done = leafgate(*command, env=env, cwd=tmp_path, stdin="two words\ntwo words\n")
            assert done.returncode == 0, done.stderr
            assert "warning" not in done.stderr
    finally:
        os.umask(before)
    assert (var / "leafgate.db").is_file()
    assert len(list((var / "demo").rglob("*.jpg"))) >= 6
    assert open_to_others(var) == []


def test_a_folder_that_was_made_wide_is_narrowed_at_the_next_command(wide: Path) -> None:
    (wide / "leafgate.db").unlink()
    (wide / "leafgate.db-wal").unlink()
    done = leafgate("users", "list", env=environment(wide))
    assert done.returncode == 0, done.stderr
    assert open_to_others(wide) == []
    assert mode(wide) == 0o700


def test_rights_of_the_owner_stay_as_they_are(wide: Path) -> None:
    (wide / "audit.key").chmod(0o444)
    assert narrow_state(wide) == []
    assert mode(wide / "audit.key") == 0o400
    assert mode(wide / "leafgate.db") == 0o600
    assert mode(wide / "demo" / "a") == 0o700


def test_what_is_not_leafgates_keeps_its_rights(wide: Path) -> None:
    (wide / "holiday").mkdir()
    (wide / "holiday" / "a.png").write_text("x")
    (wide / "notes.txt").write_text("x")
    assert narrow_state(wide) == []
    assert mode(wide) == 0o755  # shared with other things
    assert (mode(wide / "holiday"), mode(wide / "holiday" / "a.png")) == (0o755, 0o644)
    assert mode(wide / "notes.txt") == 0o644
    ours = [open_to_others(wide / name) for name in ("leafgate.db", "audit.key", "mlflow", "demo")]
    assert ours == [[], [], [], []]


def test_a_folder_that_holds_none_of_its_state_is_left_alone(
    tmp_path: Path, usual_umask: None
) -> None:
    for name in ("models", "training", "photos"):  # a folder of somebody's own, named by mistake
        (tmp_path / "home" / name).mkdir(parents=True)
    assert narrow_state(tmp_path / "home") == []
    assert [mode(each) for each in (tmp_path / "home").rglob("*")] == [0o755] * 3
    assert mode(tmp_path / "home") == 0o755
    assert narrow_state(tmp_path / "none") == []


def test_a_link_is_not_followed(wide: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "in").mkdir(parents=True)
    (elsewhere / "file").write_text("x")
    (wide / "models").symlink_to(elsewhere)
    (wide / "demo" / "file").symlink_to(elsewhere / "file")
    assert narrow_state(wide) == []
    assert [mode(elsewhere), mode(elsewhere / "in"), mode(elsewhere / "file")] == [
        0o755,
        0o755,
        0o644,
    ]


def test_a_folder_that_others_may_change_is_said_to_be(wide: Path) -> None:
    (wide / "holiday").mkdir()
    wide.chmod(0o777)
    assert narrow_state(wide) == [f"{wide} can be changed by other users"]
    done = leafgate("users", "list", env=environment(wide))
    assert f"{wide} can be changed by other users" in done.stderr


def test_the_umask_is_that_of_children_too(usual_umask: None) -> None:
    keep_files_private()
    assert os.umask(0o022) == 0o077


def test_every_name_in_the_state_folder_is_known(settings: Settings) -> None:
    """Those in the sources that are joined to `var_dir`."""
    named: set[str] = set()
    for package in ("leafgate", "registry", "serving", "sql", "training", "dashboard"):
        for file in (ROOT / package).rglob("*.py"):
            text = file.read_text()
            for literal, constant in re.findall(
                r"""var_dir / (?:["']([^"']+)["']|([A-Z_]+))""", text
            ):
                found = re.search(rf'(?m)^{constant} = "([^"]+)"', text) if constant else None
                named.add(literal or (found[1] if found else constant))
    assert {"audit.key", "mlflow", "outbox", "leafgate.db", "uploads"} <= named
    assert named - {*STATE_FILES, *STATE_FOLDERS} == set()
