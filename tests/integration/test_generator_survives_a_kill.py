"""A training killed with SIGKILL goes on from its last checkpoint, in the same MLflow run."""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from leafgate.errors import UserError
from leafgate.images import encode_png
from leafgate.manifest import Manifest, ManifestRow, file_digest
from leafgate.settings import Settings
from registry import ModelStore
from training.gan.config import GanConfig
from training.gan.train import train_generator
from training.gan.unfinished import UnfinishedRun

CONFIG = GanConfig(
    family="vanilla",
    epochs=1000,
    batch_size=8,
    checkpoint_every=2,
    sample_every=1000,
    evaluate_every=1000,
    evaluate_samples=16,
    test_samples=16,
    features="pixels",
)
TRAIN_FOREVER = """
import sys
from pathlib import Path
from leafgate.manifest import Manifest
from leafgate.settings import Settings
from training.gan.config import GanConfig
from training.gan.train import train_generator

var_dir, manifest, root, config = sys.argv[1:]
data = Manifest.load(Path(manifest), Path(root))
train_generator(Settings(var_dir=Path(var_dir)), data, GanConfig.model_validate_json(config))
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(var_dir=tmp_path / "var")


@pytest.fixture
def data(tmp_path: Path) -> Manifest:
    root = tmp_path / "leaves"
    (root / "rust").mkdir(parents=True)
    rows = []
    for index in range(8):
        file = root / "rust" / f"{index}.png"
        pixels = np.random.default_rng(index).integers(0, 256, (24, 24, 3), np.uint8)
        file.write_bytes(encode_png(pixels))
        digest = file_digest(file)
        rows.append(ManifestRow(f"rust/{file.name}", "rust", "train", digest, digest))
    return Manifest(root, tuple(rows))


@pytest.fixture
def killed(settings: Settings, data: Manifest, tmp_path: Path) -> UnfinishedRun:
    """A training of a thousand epochs in a process of its own, killed after its third."""
    data.save(tmp_path / "manifest.csv")
    places = [str(settings.var_dir), str(tmp_path / "manifest.csv"), str(data.root)]
    unfinished = UnfinishedRun.for_generator(settings, CONFIG, data)
    process = subprocess.Popen(
        [sys.executable, "-c", TRAIN_FOREVER, *places, CONFIG.model_dump_json()]
    )
    try:
        deadline = time.monotonic() + 120
        while len(unfinished.epochs()) < 3:
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        process.kill()
        process.wait()
    return unfinished


def test_a_killed_training_goes_on_where_it_was_in_the_same_run(
    settings: Settings, data: Manifest, killed: UnfinishedRun
) -> None:
    run_id, before = killed.run_id, killed.epochs()
    assert run_id is not None
    checkpoints = [int(f.stem.split("-")[1]) for f in killed.checkpoints.glob("*.index")]
    assert max(checkpoints) in (before[-1].epoch, before[-1].epoch - 1)
    with pytest.raises(UserError, match="ask for at least"):
        train_generator(settings, data, CONFIG.model_copy(update={"epochs": 1}))
    epochs = before[-1].epoch + 2
    version = train_generator(settings, data, CONFIG.model_copy(update={"epochs": epochs}))
    assert version.run_id == run_id
    assert ModelStore(settings).client.get_run(run_id).info.status == "FINISHED"
    points = ModelStore(settings).client.get_metric_history(run_id, "d_loss")
    steps = [point.step for point in points]
    assert sorted(set(steps)) == list(range(1, epochs + 1))
    assert len(steps) <= epochs + 1, "only what no checkpoint held was done again"
    assert not killed.folder.exists()
