"""docker/secrets.sh fills in what Compose would read as empty, and touches nothing else."""

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from tests.compose_files import ROOT, read_compose
from tests.stack_files import secrets_of_compose

NAME = "REDIS_PASSWORD"
EMPTY = [
    f"{NAME}=",
    f'{NAME}=""',
    f"{NAME}=''",
    f'{NAME}="  "',
    f"{NAME}=   ",
    f"{NAME} = ",
    f"  {NAME}=\t",
    f"export {NAME}=",
    f'export  {NAME}=""',
    f"{NAME}= # to be filled in",
    f'{NAME}="" # to be filled in',
    f"{NAME}=first\n{NAME}=",  # the last one counts
]
ABSENT = [f"# {NAME}=old", f"#{NAME}=old", f"MY_{NAME}=other", f"{NAME}_OLD=other", ""]
SET = [
    f"{NAME}=mine",
    f"{NAME}='mine'",
    f'{NAME}="mine" # kept',
    f"export {NAME}=mine",
    f"{NAME}=#mine",
    f"{NAME}=\n{NAME}=mine",
    f"{NAME}=mine=",
    f"{NAME}=${{OTHER}}",
    f"{NAME}: mine",
]


@pytest.fixture(params=["dash", "bash"])
def shell(request: pytest.FixtureRequest) -> str:
    if shutil.which(request.param) is None:
        pytest.skip(f"no {request.param} here")
    return str(request.param)


def fill(shell: str, file: Path) -> subprocess.CompletedProcess[str]:
    script = str(ROOT / "docker/secrets.sh")
    return subprocess.run(
        [shell, script, str(file)], capture_output=True, text=True, check=False, timeout=60
    )


def values(file: Path) -> dict[str, str]:
    """As a reader of plain lines sees them: the last one of a name counts."""
    lines = file.read_bytes().decode().split("\n")
    assert lines.pop() == ""  # the last line has an end
    settings = [line.removeprefix("export ") for line in lines if line[:1] not in ("#", "")]
    return dict(line.split("=", 1) for line in settings if "=" in line)


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("text", EMPTY + ABSENT)
def test_what_is_empty_or_absent_gets_a_value(text: str, ending: str, tmp_path: Path) -> None:
    file = tmp_path / "env"
    written = f"API_PORT=9000\n{text}\nPLANS=a b".replace("\n", ending)
    file.write_bytes(written.encode())  # without an end of the last line
    done = fill("sh", file)
    assert done.returncode == 0, done.stderr
    found = values(file)
    assert found[NAME].startswith("Lg-")
    assert len(found[NAME]) == 67
    assert (found["API_PORT"], found["PLANS"]) == ("9000", "a b")
    assert set(found) >= secrets_of_compose()
    before = file.read_bytes()
    assert fill("sh", file).stdout.startswith("0 secrets made")
    assert file.read_bytes() == before


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("text", SET)
def test_a_value_is_left_as_it_is(text: str, ending: str, tmp_path: Path) -> None:
    file = tmp_path / "env"
    file.write_bytes(text.replace("\n", ending).encode())
    assert fill("sh", file).returncode == 0
    lines = file.read_text().splitlines()
    assert lines[: text.count("\n") + 1] == text.splitlines()
    assert sum(NAME in line for line in lines) == text.count(NAME)


def test_both_shells_do_the_same_and_compose_reads_it(shell: str, tmp_path: Path) -> None:
    file = tmp_path / "env"
    file.write_bytes(
        b"\xef\xbb\xbfMSSQL_SA_PASSWORD=''\r\nexport POSTGRES_PASSWORD=\r\nAPI_PORT=81"
    )
    assert fill(shell, file).returncode == 0
    found = values(file)
    stack = read_compose("sqlserver", file)["services"]
    assert stack["mssql"]["environment"]["MSSQL_SA_PASSWORD"] == found["MSSQL_SA_PASSWORD"]
    assert stack["postgres"]["environment"]["POSTGRES_PASSWORD"] == found["POSTGRES_PASSWORD"]
    ports = [str(port) for port in stack["proxy"]["ports"]]
    assert any("81" in port and "8000" in port for port in ports)


@pytest.mark.parametrize(("before", "after"), [(0o644, 0o600), (0o400, 0o400), (0o444, 0o400)])
def test_only_its_owner_can_read_it_and_a_protected_file_stays_protected(
    before: int, after: int, shell: str, tmp_path: Path
) -> None:
    file = tmp_path / "env"
    file.write_text(f"{NAME}=\n")
    file.chmod(before)
    assert fill(shell, file).returncode == 0
    assert values(file)[NAME]
    assert stat.S_IMODE(file.stat().st_mode) == after
    assert [each.name for each in tmp_path.iterdir()] == ["env"]


@pytest.mark.parametrize("is_there", [True, False])
def test_a_link_stays_a_link(is_there: bool, shell: str, tmp_path: Path) -> None:
    kept = tmp_path / "kept" / "leafgate.env"
    kept.parent.mkdir()
    if is_there:
        kept.write_text("API_PORT=9000\n")
    link = tmp_path / "env"
    link.symlink_to("kept/leafgate.env")
    assert fill(shell, link).returncode == 0
    assert link.is_symlink()
    assert values(kept)[NAME]
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert list(kept.parent.iterdir()) == [kept]


@pytest.mark.parametrize("kind", ["folder", "utf-16", "nowhere"])
def test_what_cannot_be_filled_in_is_told_and_left(kind: str, shell: str, tmp_path: Path) -> None:
    file = tmp_path / "env"
    if kind == "folder":
        file.mkdir()
    elif kind == "utf-16":
        file.write_bytes(f"{NAME}=\n".encode("utf-16"))
    else:
        file.symlink_to(tmp_path / "no" / "folder" / "env")
    before = file.read_bytes() if kind == "utf-16" else b""
    done = fill(shell, file)
    assert done.returncode == 1
    first, second = done.stderr.splitlines()
    assert first.startswith("error: ")
    assert str(file) in first
    assert second.startswith("  what to do: ")
    assert [each.name for each in tmp_path.iterdir()] == ["env"]
    if kind == "utf-16":
        assert file.read_bytes() == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")
def test_a_users_file_stays_theirs_when_root_fills_it_in(tmp_path: Path) -> None:
    file = tmp_path / "env"
    file.write_text(f"{NAME}=\n")
    os.chown(file, 12345, 12346)
    assert fill("sh", file).returncode == 0
    assert (file.stat().st_uid, file.stat().st_gid) == (12345, 12346)
