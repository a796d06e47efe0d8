"""A classifier's training killed with SIGKILL ends with the figures of one that was not."""

import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest

from leafgate.manifest import Manifest
from leafgate.settings import Settings
from registry import ModelStore
from tests.backbones import TINY, add_tiny_backbone
from training.classifier.backbones import load_backbone
from training.classifier.config import ClassifierConfig
from training.classifier.fit import fit_stages
from training.classifier.memory import Row, TrainingMemory
from training.classifier.network import build_network
from training.classifier.recipe import recipe
from training.classifier.train import train_classifier
from training.data.pipeline import load_side, training_images

CONFIG = ClassifierConfig(
    backbone=TINY,
    weights="none",
    image_size=32,
    scratch_epochs=20,
    scratch_small_epochs=0,
    scratch_batch_size=6,
    precision="float32",
    data_report=False,
)
ROOT = Path(__file__).resolve().parents[2]
TRAIN = """
import sys
from pathlib import Path
from leafgate.manifest import Manifest
from leafgate.settings import Settings
from training.classifier.config import ClassifierConfig
from training.classifier.train import train_classifier
from tests.backbones import add_tiny_backbone

add_tiny_backbone()
var_dir, manifest, root, config = sys.argv[1:]
data = Manifest.load(Path(manifest), Path(root))
chosen = ClassifierConfig.model_validate_json(config)
train_classifier(Settings(var_dir=Path(var_dir)), data, chosen)
"""


@pytest.fixture
def killed(settings: Settings, colour_manifest: Manifest, tmp_path: Path) -> TrainingMemory:
    """The job in a process of its own, killed in the middle of an epoch."""
    add_tiny_backbone()
    colour_manifest.save(tmp_path / "manifest.csv")
    places = [str(settings.var_dir), str(tmp_path / "manifest.csv"), str(colour_manifest.root)]
    used = {"weights_used": "none", "backbone_used": TINY}
    job = {**CONFIG.model_dump(), **used}
    memory = TrainingMemory.of(settings, "classifier", job, colour_manifest.digest)
    process = subprocess.Popen(
        [sys.executable, "-c", TRAIN, *places, CONFIG.model_dump_json()], cwd=ROOT
    )
    try:
        deadline = time.monotonic() + 200
        while not (memory.folder / "checkpoint.npz").is_file():
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.01)
        time.sleep(0.2)  # some epochs on, and within one
    finally:
        process.kill()
        process.wait()
    return memory


def _epochs(memory: TrainingMemory) -> int:
    found = memory.load()
    return len(found[0].rows) if found else 0


def test_a_killed_training_ends_with_the_figures_of_one_that_was_not(
    settings: Settings, colour_manifest: Manifest, killed: TrainingMemory, tmp_path: Path
) -> None:
    run_id, done = killed.run_id, _epochs(killed)
    assert run_id is not None
    assert 1 <= done < CONFIG.scratch_epochs
    version = train_classifier(settings, colour_manifest, CONFIG)
    store = ModelStore(settings)
    assert version.run_id == run_id
    assert store.client.get_run(run_id).info.status == "FINISHED"
    points = store.client.get_metric_history(run_id, "val_loss")
    resumed = {point.step: point.value for point in points}
    assert sorted(resumed) == list(range(1, CONFIG.scratch_epochs + 1))
    assert not killed.folder.exists()
    straight = [row["val_loss"] for row in _uninterrupted(colour_manifest, tmp_path)]
    assert [resumed[step] for step in sorted(resumed)] == pytest.approx(straight, rel=1e-3)


def _uninterrupted(manifest: Manifest, tmp_path: Path) -> tuple[Row, ...]:
    keras.utils.set_random_seed(CONFIG.seed)
    backbone = load_backbone(CONFIG.backbone, "none")
    network = build_network(CONFIG, backbone, len(manifest.classes))
    memory = TrainingMemory(tmp_path / "uninterrupted")
    memory.begin("none")
    train = training_images(manifest, round(CONFIG.image_size * 4 / 3), CONFIG.cache_gib)
    validation = load_side(manifest, "validation", CONFIG.image_size)
    config = recipe(CONFIG, backbone, len(train))
    rows = fit_stages(network, backbone, config, train, validation, memory, lambda *_: None)
    assert np.isfinite([float(row["val_loss"]) for row in rows]).all()
    return rows
