"""MLflow runs: what every job logs, so that its figures can be traced and repeated.

A run holds the whole configuration, the seed, the data set's digest with the manifest itself, the
environment and code version, metrics by epoch, pictures, and the stored model.
"""

import os
import platform
import subprocess
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from leafgate import __version__
from leafgate.file_names import path_text
from leafgate.manifest import SIDES, Manifest
from leafgate.progress import tell
from leafgate.settings import Settings
from leafgate.sqlite_url import is_sqlite
from leafgate.strict_json import dump_json
from registry.artifact_places import artifact_root
from registry.connection import open_mlflow, registry_errors
from registry.ledger import Ledger
from registry.pyfunc import PYFUNCS, StoredKind
from registry.recording import record_registration
from registry.registration import how_to_adopt
from registry.store import DIGEST_TAG, KIND_TAG, STAGING, ModelStore, ModelVersion

MANIFEST_ARTIFACT = "data/manifest.csv"
DELETED = "deleted"
ENVIRONMENT_ARTIFACT = "environment/environment.json"


@dataclass(frozen=True)
class Run:
    """An open MLflow run. run_id: MLflow's own. ledger: where registrations are written down; None
    on a host without key or database, whose models a person adopts elsewhere.
    """

    run_id: str
    settings: Settings
    ledger: Ledger | None = None

    @contextmanager
    def _mlflow(self) -> Iterator[Any]:
        """MLflow. Raises UserError `registry_error` where it does not take what is logged."""
        with registry_errors(self.settings):
            yield open_mlflow(self.settings)

    def log_params(self, params: Mapping[str, object]) -> None:
        """The configuration, flat."""
        with self._mlflow() as mlflow:
            mlflow.log_params(dict(params))

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Figures, of an epoch where `step` is given."""
        with self._mlflow() as mlflow:
            mlflow.log_metrics(dict(metrics), step=step)

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Searchable facts about the run."""
        with self._mlflow() as mlflow:
            mlflow.set_tags(dict(tags))

    def log_file(self, file: Path, folder: str) -> None:
        """Upload one file under `folder`."""
        with self._mlflow() as mlflow:
            mlflow.log_artifact(str(file), folder)

    def log_folder(self, folder: Path, path: str) -> None:
        """Upload all files of a folder under `path`."""
        with self._mlflow() as mlflow:
            mlflow.log_artifacts(str(folder), path)

    def log_text(self, text: str, path: str) -> None:
        """Store `text` as the artifact `path`."""
        with self._mlflow() as mlflow:
            mlflow.log_text(text, path)

    def log_json(self, value: object, path: str) -> None:
        """Store `value` as indented JSON as the artifact `path`."""
        self.log_text(dump_json(value, indent=2, default=str), path)

    def log_picture(self, png: bytes, path: str) -> None:
        """Store an encoded picture as the artifact `path`."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / Path(path).name
            file.write_bytes(png)
            self.log_file(file, str(Path(path).parent))

    def log_data(self, manifest: Manifest, name: str) -> None:
        """The manifest as the run's dataset, under its own digest, and as an artifact.

        MLflow's digest of an array looks at its first 10,000 elements only, so ours is used.
        """
        mlflow = open_mlflow(self.settings)
        import pandas as pd

        rows = pd.DataFrame([vars(row) for row in manifest.rows])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # two equal readings of a folder as a source
            dataset = mlflow.data.from_pandas(
                rows,
                source=path_text(manifest.root),
                name=path_text(name),
                digest=manifest.digest[:32],
            )
        with registry_errors(self.settings):
            mlflow.log_input(dataset, context="training")
        self.set_tags(
            {"data.root": path_text(manifest.root.resolve()), "data.digest": manifest.digest}
        )
        if origin := manifest.origin:
            self.set_tags(
                {
                    "data.sides": origin.sides,
                    "data.conflicts": str(sum(map(len, origin.conflicts))),
                    "data.left_out": str(len(origin.left_out)),
                    "data.leaks": str(len(manifest.groups_on_two_sides())),
                }
            )
        self.log_params({f"images_{side}": len(manifest.side(side)) for side in SIDES})
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / Path(MANIFEST_ARTIFACT).name
            manifest.save(file)
            self.log_folder(Path(folder), str(Path(MANIFEST_ARTIFACT).parent))

    def register(
        self, kind: StoredKind, folder: Path, name: str, manifest: Manifest | None = None
    ) -> ModelVersion:
        """Store the model in `folder` as a PyFunc, register it as `name`, alias `staging`.

        manifest: what it was trained with; the gate then takes no other from the run.

        Before it gets the alias, its registration is written into the audit, with the digest of all
        its files. Raises UserError where that fails: no gate then judges the version.
        """
        mlflow = open_mlflow(self.settings)
        with registry_errors(self.settings):
            logged = PYFUNCS[kind].log(
                mlflow, folder, self.run_id, manifest.digest if manifest else None
            )
            tags = {DIGEST_TAG: logged.digest, KIND_TAG: kind}
            made = mlflow.register_model(logged.uri, name, tags=tags)
        store = ModelStore(self.settings)
        version = store.get(name, int(made.version))
        if self.ledger is None:
            tell(f"{version} is not on record; {how_to_adopt(version, logged.digest)}")
        else:
            record_registration(self.ledger, version, logged.digest)
        store.set_alias(name, STAGING, version.version)
        return store.get(name, version.version)


@contextmanager
def start_run(
    settings: Settings, job: str, run_id: str | None = None, ledger: Ledger | None = None
) -> Iterator[Run]:
    """Open a run named after the job, or go on with `run_id`; an error marks it failed.

    run_id: of a run that is gone from MLflow begins another one. ledger: for a run that registers
    a model, see Run.
    """
    mlflow = open_mlflow(settings)
    with registry_errors(settings):
        mlflow.set_experiment(experiment_id=_experiment(mlflow, settings))
        known = _known_run(mlflow, run_id) if run_id else None
        active = mlflow.start_run(run_id=known, run_name=None if known else job)
    run = Run(active.info.run_id, settings, ledger)
    try:
        run.set_tags({"job": job, **code_version()})
        run.log_json(environment(), ENVIRONMENT_ARTIFACT)
        yield run
    except BaseException:
        with suppress(Exception):  # the first error is the one to tell
            mlflow.end_run("FAILED")
        raise
    with registry_errors(settings):
        mlflow.end_run()


def _experiment(mlflow: Any, settings: Settings) -> str:  # noqa: ANN401 - the mlflow module
    """The id of the configured experiment, which is made, or restored where it was deleted."""
    found = mlflow.get_experiment_by_name(settings.experiment)
    if found is None:
        embedded = is_sqlite(settings.tracking_uri)
        artifacts = artifact_root(settings).as_uri() if embedded else None
        return str(mlflow.create_experiment(settings.experiment, artifact_location=artifacts))
    if found.lifecycle_stage == DELETED:
        # Its name is taken for as long as it can be restored, and versions lead to its runs.
        mlflow.MlflowClient().restore_experiment(found.experiment_id)
        tell(
            f"the experiment '{settings.experiment}' was deleted in MLflow: it is restored, with "
            "its runs"
        )
    return str(found.experiment_id)


def _known_run(mlflow: Any, run_id: str) -> str | None:  # noqa: ANN401 - the mlflow module
    """The same id where MLflow has such a run, restored where it was deleted; else None."""
    from mlflow.exceptions import MlflowException

    client = mlflow.MlflowClient()
    try:
        found = client.get_run(run_id)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        tell(f"the run {run_id} is gone from MLflow: the job begins anew")
        return None
    if found.info.lifecycle_stage == DELETED:
        client.restore_run(run_id)
        tell(f"the run {run_id} was deleted in MLflow: it is restored")
    return run_id


def environment() -> dict[str, object]:
    """Interpreter, machine and the version of every installed package."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": _processor(),
        "cpus": os.cpu_count(),
        "packages": _packages(),
    }


@cache
def _packages() -> dict[str, str]:
    """Versions by name, in order. Read once a process: it takes half a second."""
    found = {str(item.name): item.version for item in distributions()}
    return dict(sorted(found.items(), key=lambda pair: pair[0].lower()))


def machine() -> str:
    """The processor and how many cores of it there are."""
    return f"{_processor()}, {os.cpu_count()} cores"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def code_version() -> dict[str, str]:
    """LeafGate's version and, in a git checkout, its commit and whether it was changed since."""
    here = Path(__file__).parent
    tags = {"leafgate.version": __version__}
    try:
        commit = _git(here, "rev-parse", "HEAD")
        changed = _git(here, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.CalledProcessError):
        return tags
    return {**tags, "git.commit": commit, "git.changed": str(bool(changed)).lower()}


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
    return done.stdout.strip()
