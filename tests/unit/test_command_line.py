"""The command line: mistakes end with what was wrong and what to do, never with a traceback."""

import errno
import shutil
from pathlib import Path

import pytest

from leafgate import cli, cli_options
from tests.commands import environment, leafgate


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("data", "split", "--data", "nowhere"), "no folder nowhere"),
        (("train", "classifier", "--data", ".", "epoch=3"), "epoch=3"),
        (("train", "generator", "--data", ".", "epochs=-1"), "epochs=-1"),
        (("predict", "leaf.jpg"), "no version has the alias 'production'"),
        (("gate", "leaf-classifier"), "has no version with alias 'staging'"),
        (("gate", "leaf-classifier", "--watch", "--version", "1"), "--watch with --version"),
        (("models", "rollback", "leaf-classifier"), "has no previous version"),
        (("models", "promote", "leaf-classifier"), "only the gate promotes a version"),
        (("db", "ddl", "--dialect", "oracle"), "unknown dialect 'oracle'"),
        (("serve",), "LEAFGATE_JWT_SECRET is not set"),
    ],
)
def test_a_mistake_exits_with_two_and_names_the_remedy(
    arguments: tuple[str, ...], told: str, empty_store: Path, tmp_path: Path
) -> None:
    shutil.copytree(empty_store, tmp_path / "var")
    done = leafgate(*arguments, env=environment(tmp_path / "var"), cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert told in done.stderr
    assert "what to do" in done.stderr
    assert "Traceback" not in done.stderr


def test_help_of_a_job_lists_its_settings(tmp_path: Path) -> None:
    told = leafgate("train", "classifier", "--help", env=environment(tmp_path)).stdout
    for words in ("image_size=224", "stage2_learning_rate=null", "Example", "imagenet, none"):
        assert words in told


def test_a_full_disk_is_told_in_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def write() -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "split.csv")

    monkeypatch.setattr(cli, "app", write)
    with pytest.raises(SystemExit) as raised:
        cli.main()
    assert raised.value.code == 1
    told = capsys.readouterr().err
    assert "the disk is full (split.csv)" in told
    assert "free some space" in told


def test_a_user_is_added_once(tmp_path: Path) -> None:
    env = environment(tmp_path / "var")
    ask = ("users", "add", "ada", "--scope", "predict")
    assert (
        "ada may: predict" in leafgate(*ask, env=env, stdin="correct horse\ncorrect horse\n").stdout
    )
    again = leafgate(*ask, env=env, stdin="correct horse\ncorrect horse\n")
    assert again.returncode == 2
    assert "already" in again.stderr


def test_drawing_splitting_and_making_scarce(tmp_path: Path) -> None:
    env = environment(tmp_path / "var")

    def run(*arguments: object) -> str:
        done = leafgate(*arguments, env=env, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "60 synthetic leaves" in run("data", "demo", "--out", "leaves", "--count", 60)
    told = run("data", "split", "--data", "leaves", "--ratios", "80/10/10")
    assert "digest" in told
    assert (tmp_path / "split.csv").is_file()
    run("data", "scarce", "--data", "leaves", "--out", "few", "--per-class", 4)
    assert {len(list(folder.iterdir())) for folder in (tmp_path / "few").iterdir()} == {4}


def test_what_is_shown_does_not_act_on_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever may write to MLflow may write its tags, which commands show."""
    cli_options.say("a\x1b[2J\x9b31m\u202eb\ud800", "Ahorn – 楓 👩\u200d🌾\ttab")
    assert capsys.readouterr().out == "a [2J 31m b \nAhorn – 楓 👩\u200d🌾\ttab\n"
