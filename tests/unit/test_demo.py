"""The demo's own promises: recipes, secrets, and a line that can be pasted."""

import json
import os
import shlex
import shutil
import stat
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from leafgate.audit import AuditEntry
from leafgate.demo import curl_line, farewell, make_account, run_demo, services
from leafgate.errors import UserError
from leafgate.gating import open_ledger
from leafgate.loop import (
    classifier_recipe,
    draw_leaves,
    generator_recipe,
    other_images_policy,
    split_images,
    standing_verdict,
)
from leafgate.manifest import Manifest
from leafgate.settings import Settings
from registry import ModelStore, sign_in_link
from registry.checks import CHECKS
from registry.policy import load_policy
from sql import find_user, open_database
from tests.commands import free_port
from tests.models import register_tiny_classifier
from tests.recording_proxy import set_proxies
from tests.small_server import ok, serving
from training.data.folder import FolderScan, read_folder
from training.data.procedural import make_leaf_folder


def test_the_account_is_made_once_and_readable_by_its_owner_alone(settings: Settings) -> None:
    (settings.var_dir / "demo").mkdir(parents=True)
    account = make_account(settings)
    file = settings.var_dir / "demo" / "account.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(json.loads(file.read_text())["jwt_secret"]) >= 32
    assert make_account(settings) == account
    user = find_user(open_database(settings.database), "demo")
    assert user is not None
    assert user.password_hash.startswith("$argon2")


def test_the_curl_line_survives_spaces_and_commas_in_a_file_name() -> None:
    image = Path("/data/Pepper,_bell___healthy/a b.JPG")
    words = shlex.split(curl_line("http://127.0.0.1:8000", "p w", image))
    assert 'file=@"/data/Pepper,_bell___healthy/a b.JPG"' in words
    assert words[:2] == ["curl", "-s"]


def test_the_curl_line_uploads_a_file_of_any_name(tmp_path: Path) -> None:
    image = tmp_path / 'C# "wor\\k"; what?' / "it's.png"
    image.parent.mkdir()
    image.write_bytes(b"pixels")
    upload = shlex.split(curl_line("http://127.0.0.1:8000", "p w", image))[-1]
    with serving(lambda _: ok()) as server:
        url = f"http://127.0.0.1:{server.port}"
        curl = ["curl", "-s", "--noproxy", "*", url, "-F", upload]
        subprocess.run(curl, check=True, timeout=30, stdout=subprocess.DEVNULL)
    assert b"pixels" in server.bodies[0]


def test_the_curl_line_is_quoted_for_ipv6_and_passes_a_proxy_by(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    set_proxies(monkeypatch)
    line = curl_line("http://[::1]:8000", "pw", Path("a.jpg"))
    assert "'http://[::1]:8000/token'" in line  # zsh takes bare brackets for a pattern
    assert "--noproxy" not in line
    set_proxies(monkeypatch, ALL_PROXY="http://proxy.example:3128")
    assert curl_line("http://[::1]:8000", "pw", Path("a.jpg")).count("curl -s --noproxy '*'") == 2


def test_the_last_words_hold_the_link_that_signs_in_to_mlflow(
    settings: Settings, colour_folder: Path
) -> None:
    (settings.var_dir / "demo").mkdir(parents=True)
    account = make_account(settings)
    words = farewell(settings, services(settings), account, colour_folder, True).split()
    assert words[words.index("MLflow") + 1] == sign_in_link(settings)
    assert account.password in words


def test_with_a_server_of_mlflow_the_demo_starts_none_and_links_to_it(
    settings: Settings, colour_folder: Path
) -> None:
    (settings.var_dir / "demo").mkdir(parents=True)
    account = make_account(settings)
    uri = "http://ada:pw@mlflow.example:5000"
    there = settings.model_copy(update={"mlflow_tracking_uri": uri})
    parts = services(there)
    assert [part.command for part in parts] == ["serve", "dashboard"]
    words = farewell(there, parts, account, colour_folder, True).split()
    assert words[words.index("MLflow") + 1] == "http://mlflow.example:5000"


def test_the_curl_line_names_an_image_wherever_the_images_lie(
    settings: Settings, tmp_path: Path
) -> None:
    (settings.var_dir / "demo").mkdir(parents=True)
    account = make_account(settings)
    for name in ("train/rust/a.jpg", "__MACOSX/train/rust/._a.jpg", ".cache/x/b.png"):
        (tmp_path / "set" / name).parent.mkdir(parents=True)
        (tmp_path / "set" / name).write_bytes(b"pixels")
    words = farewell(settings, services(settings), account, tmp_path / "set", True)
    assert str(tmp_path / "set" / "train/rust/a.jpg") in words
    (tmp_path / "none").mkdir()
    assert "curl" in farewell(settings, services(settings), account, tmp_path / "none", True)


def test_a_port_in_use_is_told_before_anything_is_trained(settings: Settings) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ports = {"dashboard_port": taken.getsockname()[1]}
        ports |= {"api_port": free_port(), "mlflow_port": free_port()}
        with pytest.raises(UserError, match=str(ports["dashboard_port"])) as raised:
            run_demo(settings.model_copy(update=ports), None)
    assert "LEAFGATE_DASHBOARD_PORT" in raised.value.fix
    assert not (settings.var_dir / "demo").exists()


@pytest.mark.parametrize("drawn", [True, False])
def test_the_classifier_starts_from_weights_that_came_with_the_installation(
    colour_manifest: Manifest, drawn: bool
) -> None:
    recipe = classifier_recipe(colour_manifest, drawn)
    assert (recipe.backbone, recipe.weights) == ("efficientnet_lite0", "imagenet")
    assert 2 <= generator_recipe(colour_manifest, drawn).epochs <= 60


def test_a_version_that_was_held_back_is_judged_anew_where_the_verdict_may_change(
    settings: Settings, colour_manifest: Manifest
) -> None:
    version = register_tiny_classifier(settings, manifest=colour_manifest, alias=None)
    ledger, policy = open_ledger(settings), load_policy(None, "classifier")
    other = settings.var_dir / "policy.yaml"
    other.write_text("kind: classifier\nchecks:\n  enough_images: {at_least: 31}\n")

    def stands(reason: str, policy_file: Path | None = None, champion: int | None = None) -> bool:
        ledger.write(
            AuditEntry(
                model=version.name,
                action="verdict",
                by="gate",
                from_version=champion,
                to_version=version.version,
                outcome="held back",
                policy_digest=policy.digest,
                artifact_digest=version.tags["artifact.digest"],
                reason=reason,
            )
        )
        records = ledger.sound_records(version.name)
        return standing_verdict(ledger, records, version, policy_file) is not None

    assert standing_verdict(ledger, ledger.sound_records(version.name), version, None) is None
    assert stands("not passed: accuracy, macro_f1")
    assert not stands("not passed: accuracy", policy_file=other)
    assert not stands("not passed: accuracy", champion=7)
    assert not stands("not passed: accuracy, latency")
    assert not stands("not passed: runs")


def test_a_demo_on_other_images_is_not_compared_with_the_one_before(
    settings: Settings, colour_manifest: Manifest
) -> None:
    store = ModelStore(settings)
    assert other_images_policy(store, "leaf-classifier", colour_manifest) is None
    champion = register_tiny_classifier(settings, manifest=colour_manifest)
    other = Manifest(
        colour_manifest.root,
        tuple(replace(row, class_name=f"leaf {row.class_name}") for row in colour_manifest.rows),
    )
    assert other_images_policy(store, "leaf-classifier", other) is None  # no model of a demo
    store.set_tags(champion, {"demo.recipe": "an earlier one"})
    assert other_images_policy(store, "leaf-classifier", colour_manifest) is None

    (settings.var_dir / "demo").mkdir()
    file = other_images_policy(store, "leaf-classifier", other)
    asked = load_policy(file, "classifier").checks
    assert set(CHECKS["classifier"]) - set(asked) == {"champion", "classes"}


def test_a_folder_is_read_again_only_where_something_in_it_has_changed(
    settings: Settings,
    colour_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = Path(shutil.copytree(colour_folder, tmp_path / "images"))
    reads: list[Path] = []

    def read(root: Path) -> FolderScan:
        reads.append(root)
        return read_folder(root)

    monkeypatch.setattr("leafgate.loop.read_folder", read)
    first = split_images(settings, folder)
    told = capsys.readouterr().out
    again = split_images(settings, folder)
    assert (again, again.origin) == (first, first.origin)
    assert len(reads) == 1
    assert told in capsys.readouterr().out  # all that was said of the images is said again

    split_images(settings, folder, resplit=True)
    assert len(reads) == 2  # other options, another split
    image = next(folder.rglob("*.png"))
    os.utime(image, ns=(1, 1))
    split_images(settings, folder)
    assert len(reads) == 3
    image.unlink()
    assert len(split_images(settings, folder).rows) == len(first.rows) - 1
    (folder / "notes.txt").symlink_to(tmp_path)
    split_images(settings, folder)
    split_images(settings, folder)
    assert len(reads) == 6  # behind a link, anything may change


def test_the_leaves_that_an_older_version_drew_are_used(settings: Settings) -> None:
    folder = settings.var_dir / "demo" / "leaves"
    make_leaf_folder(folder, 12, size=32)
    about = json.loads((folder / "ABOUT.json").read_text())
    (folder / "ABOUT.json").write_text(json.dumps({**about, "size": 128}))
    assert draw_leaves(settings) == folder
    assert len(list(folder.rglob("*.jpg"))) == 12
