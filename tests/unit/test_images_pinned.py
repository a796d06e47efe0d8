"""Images of others are pinned by digest, everywhere alike, and `docker/pin.sh` renews the pins."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.compose_files import ROOT

DIGEST = r"@sha256:[0-9a-f]{64}"
OURS = "leafgate-"
FILES = (
    ROOT / "docker-compose.yml",
    *sorted((ROOT / "docker").rglob("*.Dockerfile")),
    *sorted((ROOT / "docker").rglob("*.y*ml")),
)
NEW = "sha256:" + "5a" * 32


def images() -> list[tuple[str, str]]:
    """Each image that a file names, with the file; that of a variable is its default."""
    found = []
    for file in FILES:
        text = file.read_text()
        name = str(file.relative_to(ROOT))
        if file.suffix == ".Dockerfile":
            found += [(name, each) for each in re.findall(r"(?m)^FROM (\S+)", text)]
            found += [(name, each) for each in re.findall(r"(?m)^ARG \w*IMAGE=(\S+)", text)]
        else:
            found += [(name, each) for each in re.findall(r"(?m)^\s*(?:- )?image: (\S+)", text)]
            found += [(name, each) for each in re.findall(r"\$\{PYTHON_IMAGE:-\S+\}", text)]
    return [(name, re.sub(r"^\$\{\w+:-(.*)\}$", r"\1", image)) for name, image in found]


def test_every_image_of_others_is_pinned_by_digest() -> None:
    others = [
        (file, image)
        for file, image in images()
        if not image.startswith(OURS) and image != "${PYTHON_IMAGE}"
    ]
    assert len({image for _, image in others}) == 5
    unpinned = [each for each in others if not re.fullmatch(rf"[\w./-]+:[\w.-]+{DIGEST}", each[1])]
    assert unpinned == []


def test_one_tag_is_one_digest_in_all_files() -> None:
    pins = {image for _, image in images() if "@" in image}
    tags = [image.partition("@")[0] for image in pins]
    assert len(tags) == len(set(tags)), pins


def test_each_stage_of_an_image_comes_from_the_pinned_one() -> None:
    for file in (ROOT / "docker").rglob("*.Dockerfile"):
        lines = [line for line in file.read_text().splitlines() if line and line[0] != "#"]
        assert lines[0].startswith("ARG PYTHON_IMAGE="), file.name  # before FROM: it is for that
        stages = [line.split()[1] for line in lines if line.startswith("FROM ")]
        assert set(stages) == {"${PYTHON_IMAGE}"}, file.name


def test_every_image_that_compose_builds_can_be_given_another_base() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    built = {name: each["build"] for name, each in services.items() if "build" in each}
    assert built
    for name, build in built.items():
        assert build["args"]["PYTHON_IMAGE"].startswith("${PYTHON_IMAGE:-"), name


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "docker", tmp_path / "docker")
    shutil.copy(ROOT / "docker-compose.yml", tmp_path)
    return tmp_path


def pin(root: Path, answer: str, *options: str) -> subprocess.CompletedProcess[str]:
    """docker/pin.sh with a registry that says `answer` of every image."""
    resolve = root / "resolve"
    resolve.write_text(f"#!/bin/sh\n{answer}\n")
    resolve.chmod(0o755)
    return subprocess.run(
        [root / "docker/pin.sh", *options],
        env={**os.environ, "RESOLVE": str(resolve)},
        capture_output=True,
        text=True,
        check=False,
    )


def contents(root: Path) -> dict[str, str]:
    files = [*(root / "docker").rglob("*"), root / "docker-compose.yml"]
    return {str(file.relative_to(root)): file.read_text() for file in files if file.is_file()}


def test_pins_are_renewed_in_every_file_and_nothing_else_is_touched(copy: Path) -> None:
    before = contents(copy)
    done = pin(copy, f"echo {NEW}")
    assert done.returncode == 0, done.stderr
    after = contents(copy)
    assert after == {name: re.sub(DIGEST, f"@{NEW}", text) for name, text in before.items()}
    assert len(done.stdout.splitlines()) == 5
    assert "every image is" in pin(copy, f"echo {NEW}").stdout


def test_one_image_that_moved_is_one_pin(copy: Path) -> None:
    pins = dict(image.split("@") for _, image in images() if "@" in image)
    known = " ".join(f"{image}) echo {digest} ;;" for image, digest in pins.items())
    done = pin(copy, f"case $1 in redis:*) echo {NEW} ;; {known} esac")
    assert done.stdout.startswith("redis:7-bookworm: sha256:")
    assert len(done.stdout.splitlines()) == 1
    changed = [name for name, text in contents(copy).items() if NEW in text]
    assert sorted(changed) == ["docker-compose.yml", "docker/k8s/redis.yaml"]


@pytest.mark.parametrize("answer", ["exit 1", "echo", "echo sha256:abc", "echo '<html>'"])
def test_without_a_sound_answer_nothing_is_changed(copy: Path, answer: str) -> None:
    before = contents(copy)
    done = pin(copy, answer)
    assert done.returncode == 2
    assert "no digest of" in done.stderr
    assert contents(copy) == before


def test_a_check_says_what_moved_and_writes_nothing(copy: Path) -> None:
    before = contents(copy)
    done = pin(copy, f"echo {NEW}", "--check")
    assert done.returncode == 1
    assert f"is now {NEW}" in done.stdout
    assert contents(copy) == before
