"""Makes what the serving benchmarks serve and send, in a process that ends: images and a registry.

Both models are in production and vouched for, and a user may sign in. Without --model the
classifier is untrained: as quick as a trained one, and of no use otherwise; the generator always
is. With --twins further versions, whose class names end in a mark of their own, are there too.
"""

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from json import dumps, loads
from pathlib import Path
from typing import Literal

from benchmarks.machine import busy, parser_for, run_script
from leafgate.errors import UserError

ROOT = Path(__file__).resolve().parents[1]
JPEGS = 200
DRAWN_SIZE = 256
CLASSIFIER, GENERATOR = "leaf-classifier", "leaf-generator"
USER, PASSWORD = "bench", "a password for benchmarks"
TWIN_MARKS = (" (second)", " (third)")
FILE = "prepared.json"
UNTRAINED_FORM: Literal["int8"] = "int8"


@dataclass(frozen=True)
class Prepared:
    """folder: holds `var`, `model` and `images`. versions: of the classifier; the first is in
    production, the others are its twins, in the order of `TWIN_MARKS`. network, data, machine: a
    line each, for whoever reads the figures.
    """

    folder: Path
    versions: tuple[int, ...]
    network: str
    data: str
    machine: str

    @property
    def var_dir(self) -> Path:
        """The state that services run on."""
        return self.folder / "var"

    @property
    def model(self) -> Path:
        """The stored classifier."""
        return self.folder / "model"

    @property
    def images(self) -> Path:
        """JPEG files."""
        return self.folder / "images"

    def jpegs(self) -> list[bytes]:
        """All of them."""
        return [file.read_bytes() for file in sorted(self.images.iterdir())]

    def about(self) -> str:
        """What the figures are of."""
        return f"network  {self.network}\nimages   {self.data}\nmachine  {self.machine}, {busy()}"


def prepared(args: argparse.Namespace, folder: Path) -> Prepared:
    """Made in `folder` by a process of its own, unless it is there already."""
    if not (folder / FILE).is_file():
        command = [sys.executable, "-m", "benchmarks.prepare", f"--state={folder}"]
        command += [f"--model={args.model.resolve()}"] if args.model else []
        command += [f"--data={args.data.resolve()}"] if args.data else []
        command += ["--twins"] if getattr(args, "twins", False) else []
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(command, cwd=folder, env=clean_environment(), check=True)
    found = loads((folder / FILE).read_text(encoding="utf-8"))
    versions = tuple(found.pop("versions"))
    return Prepared(**{**found, "folder": folder, "versions": versions})


@contextmanager
def work_folders(args: argparse.Namespace) -> Iterator[tuple[Path, Path]]:
    """Where the state is, kept if asked for, and a folder for logs that is not."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        yield (args.state.resolve() if args.state else work / "state"), work


def clean_environment(settings: Mapping[str, object] | None = None) -> dict[str, str]:
    """The environment here, with these settings, by name, and no others of LeafGate.

    Meant for a process in a folder with no `.env`, which would be read as well.
    """
    kept = {k: v for k, v in os.environ.items() if not k.startswith("LEAFGATE_")}
    named = {f"LEAFGATE_{name.upper()}": str(value) for name, value in (settings or {}).items()}
    return {**kept, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": str(ROOT), **named}


def add_state_options(parser: argparse.ArgumentParser) -> None:
    """--model, --data and --state."""
    add = parser.add_argument
    add("--model", type=Path, metavar="FOLDER", help="a stored classifier; else one untrained")
    add("--data", type=Path, metavar="FOLDER", help="class folders of JPEGs; else leaves are drawn")
    add("--state", type=Path, metavar="FOLDER", help="keep what is prepared, and use it again")


def _copy_jpegs(data: Path | None, folder: Path) -> str:
    """Some of the JPEGs, of all classes alike; returns a line about them."""
    from training.data.procedural import make_leaf_folder

    source = data or make_leaf_folder(folder / "drawn", JPEGS, size=DRAWN_SIZE)
    found = sorted(f for f in source.glob("*/*") if f.suffix.lower() in (".jpg", ".jpeg"))
    if not found:
        raise UserError(f"no JPEGs in {source}", "give a folder of class folders with JPEGs")
    chosen = random.Random(0).sample(found, min(JPEGS, len(found)))  # noqa: S311 - no secret
    (folder / "images").mkdir()
    for number, file in enumerate(chosen):
        shutil.copyfile(file, folder / "images" / f"{number:05d}.jpg")
    mean = sum(file.stat().st_size for file in chosen) / len(chosen) / 1024
    name = source.name if data else f"synthetic leaves of {DRAWN_SIZE} px"
    return f"{name}, {len(chosen)} JPEGs sent in turn, {mean:.1f} KiB on average"


def _store_classifier(model: Path | None, folder: Path) -> str:
    """The stored classifier as `folder`/model; returns a line about it."""
    from benchmarks.networks import store_untrained
    from registry.classifier_model import ClassifierDescription
    from registry.description import read_description, write_description

    stored = folder / "model"
    if model:
        shutil.copytree(model, stored)
    else:
        stored.mkdir()
        store_untrained("resnet50", 224, stored)
        described = read_description(stored, ClassifierDescription)
        write_description(replace(described, form=UNTRAINED_FORM), stored)
        _add_outlier_score(stored, folder / "images")
    told = read_description(stored, ClassifierDescription)
    origin = f"from {model.name}" if model else "untrained"
    return f"{told.backbone}, {told.image_size} px, prefers {told.form}, {origin}"


def _add_outlier_score(stored: Path, images: Path) -> None:
    """As every trained classifier has one: it takes time, too."""
    import numpy as np

    from leafgate.images import load_images
    from registry import Classifier, OutlierScore

    classifier = Classifier.load(stored, "openvino")
    size, classes = classifier.description.image_size, len(classifier.description.labels)
    pictures = load_images(sorted(images.iterdir())[: 4 * classes], size)
    pooled = np.concatenate([classifier.outputs([picture]).pooled for picture in pictures])
    score = OutlierScore.fit(pooled, np.arange(len(pooled)) % classes)
    score.with_threshold(score.score(pooled), 0.95).save(stored)


def _store_generator(folder: Path) -> None:
    from registry import store_generator
    from training.gan.config import GanConfig
    from training.gan.networks import build_gan, stored_network
    from training.gan.train import describe

    config = GanConfig.model_validate({"family": "dcgan", "image_size": 64})
    gan = build_gan(config, classes=1)
    folder.mkdir()
    store_generator(stored_network(gan), describe(config, gan, ("leaf",)), folder)


def _make_twin(model: Path, twin: Path, mark: str) -> None:
    from registry.classifier_model import ClassifierDescription
    from registry.description import read_description, write_description

    shutil.copytree(model, twin)
    described = read_description(twin, ClassifierDescription)
    labels = tuple(f"{label}{mark}" for label in described.labels)
    write_description(replace(described, labels=labels), twin)


def _register(folder: Path, twins: Sequence[str]) -> tuple[int, ...]:
    """Put both models in production, twins beside them; returns the classifier's versions."""
    from leafgate.gating import open_ledger
    from leafgate.settings import load_settings
    from registry import force, start_run
    from registry.pyfunc import StoredKind
    from serving import hash_password
    from sql import add_user, open_database

    settings = load_settings(var_dir=folder / "var")
    ledger = open_ledger(settings)
    stored = [(GENERATOR, "generator"), (CLASSIFIER, "model")]
    stored += [(CLASSIFIER, twin) for twin in twins]
    versions = []
    for name, place in stored:
        with start_run(settings, f"benchmark {place}", ledger=ledger) as run:
            kind: StoredKind = "generator" if name == GENERATOR else "classifier"
            version = run.register(kind, folder / place, name)
        if place not in twins:
            force(ledger, version, "a benchmark's own model")
        if name == CLASSIFIER:
            versions.append(version.version)
    database = open_database(settings.database)
    add_user(database, USER, hash_password(PASSWORD), ("predict", "generate", "admin"))
    return tuple(versions)


def main() -> None:
    """Prepare."""
    from benchmarks.machine import processor

    parser = parser_for(__doc__ or "")
    add_state_options(parser)
    parser.add_argument("--twins", action="store_true")
    args = parser.parse_args()
    folder: Path = args.state
    data = _copy_jpegs(args.data, folder)
    network = _store_classifier(args.model, folder)
    _store_generator(folder / "generator")
    twins = {f"twin{mark}": mark for mark in TWIN_MARKS} if args.twins else {}
    for place, mark in twins.items():
        _make_twin(folder / "model", folder / place, mark)
    made = Prepared(folder, _register(folder, list(twins)), network, data, processor())
    (folder / FILE).write_text(dumps(asdict(made), default=str), encoding="utf-8")


if __name__ == "__main__":
    run_script(main)
