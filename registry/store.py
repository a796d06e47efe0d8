"""Registered model versions, their aliases and tags: the only door to MLflow's model registry.

MLflow takes three seconds to import, so it is imported on first use. Its search leaves the
aliases of versions empty (mlflow#16734): they are read from the registered model instead.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leafgate.errors import UserError
from leafgate.settings import Settings
from registry.connection import open_mlflow, registry_errors, unreachable
from registry.kept_copies import DIGEST, folder_digest, kept_copy

if TYPE_CHECKING:
    from mlflow import MlflowClient

STAGING, PRODUCTION, PREVIOUS = "staging", "production", "previous"
DIGEST_TAG = "artifact.digest"
KIND_TAG = "model.kind"


@dataclass(frozen=True)
class ModelVersion:
    """One version of a registered model, as it stood when it was read."""

    name: str
    version: int
    run_id: str
    aliases: tuple[str, ...]
    tags: dict[str, str]
    created_at_ms: int

    def __str__(self) -> str:
        return f"{self.name} version {self.version}"


class ModelStore:
    """Versions, aliases, tags and local copies of stored models."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._client: MlflowClient | None = None

    @property
    def client(self) -> "MlflowClient":
        """The MLflow client of the configured store, made on first use."""
        if self._client is None:
            uri = self.settings.tracking_uri
            self._client = open_mlflow(self.settings).MlflowClient(uri, uri)
        return self._client

    def versions(self, name: str) -> tuple[ModelVersion, ...]:
        """All versions, newest first; empty for an unknown model."""
        aliases = self._aliases(name)
        with registry_errors(self.settings):
            found = self.client.search_model_versions(f"name='{name}'", max_results=1000)
        versions = (_version(item, aliases) for item in found)
        return tuple(sorted(versions, key=lambda item: -item.version))

    def get(self, name: str, which: int | str) -> ModelVersion:
        """The version with that number or alias. Raises UserError that lists what there is."""
        found = [v for v in self.versions(name) if which == v.version or which in v.aliases]
        if found:
            return found[0]
        known = ", ".join(_described(v) for v in self.versions(name)) or "none"
        wanted = f"version {which}" if isinstance(which, int) else f"version with alias '{which}'"
        raise UserError(
            f"{name} has no {wanted}",
            f"there are: {known}; train one with `leafgate train`",
            code="no_such_version",
        )

    def find(self, name: str, alias: str) -> ModelVersion | None:
        """The version that carries `alias`, or None."""
        number = self._aliases(name).get(alias)
        if number is None:
            return None
        with registry_errors(self.settings):
            item = self.client.get_model_version(name, str(number))
        return _version(item, self._aliases(name))

    def set_alias(self, name: str, alias: str, version: int | None) -> None:
        """Point `alias` at `version`, or remove it with None."""
        with registry_errors(self.settings):
            if version is None:
                self.client.delete_registered_model_alias(name, alias)
            else:
                self.client.set_registered_model_alias(name, alias, str(version))

    def set_tags(self, version: ModelVersion, tags: dict[str, str]) -> None:
        """Write `tags` on the version."""
        for key, value in tags.items():
            self.set_tag(version.name, version.version, key, value)

    def set_tag(self, name: str, version: int, key: str, value: str) -> None:
        """Write one tag on the version of that number."""
        with registry_errors(self.settings):
            self.client.set_model_version_tag(name, str(version), key, value)

    def run_metrics(self, version: ModelVersion) -> dict[str, float]:
        """The metrics that the version's run logged, last value of each."""
        with registry_errors(self.settings):
            return dict(self.client.get_run(version.run_id).data.metrics)

    def run_tags(self, version: ModelVersion) -> dict[str, str]:
        """The tags of the version's run."""
        with registry_errors(self.settings):
            return dict(self.client.get_run(version.run_id).data.tags)

    def has_run_artifact(self, version: ModelVersion, path: str) -> bool:
        """Whether the version's run keeps an artifact of that path."""
        parent = str(Path(path).parent)
        with registry_errors(self.settings):
            listed = self.client.list_artifacts(version.run_id, None if parent == "." else parent)
        return any(item.path == path for item in listed)

    def require_reachable(self) -> None:
        """Raise UserError `registry_error` where the registry does not answer."""
        with registry_errors(self.settings):
            self.client.search_registered_models(max_results=1)

    def run_artifact(self, version: ModelVersion, path: str, into: Path) -> Path:
        """Download one artifact of the version's run. Raises UserError where it is missing."""
        try:
            with registry_errors(self.settings):
                return Path(self.client.download_artifacts(version.run_id, path, str(into)))
        except UserError as error:
            raise UserError(
                f"the run of {version} has no artifact {path} ({error.problem})",
                "train it again",
                code="artifact_missing",
            ) from error

    def log_run_artifacts(self, version: ModelVersion, folder: Path, path: str) -> str:
        """Upload a folder's files to the version's run; returns the artifact URI."""
        with registry_errors(self.settings):
            self.client.log_artifacts(version.run_id, str(folder), path)
        return f"runs:/{version.run_id}/{path}"

    def folder(self, version: ModelVersion) -> Path:
        """A verified local copy of the stored model (see `classifier_model`), kept by digest.

        Raises UserError where the artefact is missing or differs from the digest it was
        registered with. A copy that is there already, and still the same, is reused without asking
        MLflow; one that was changed is replaced.
        """
        return kept_copy(
            self.settings.models_dir,
            registered_digest(version),
            lambda beside: self._verified(version, beside),
        )

    def pyfunc(self, version: ModelVersion) -> "ClassifierCall":
        """The stored PyFunc of a classifier, downloaded anew and verified, as MLflow runs it."""
        mlflow = open_mlflow(self.settings)
        folder = tempfile.TemporaryDirectory(prefix="leafgate-pyfunc-")
        self._verified(version, Path(folder.name))
        root = next(path.parent for path in Path(folder.name).rglob("MLmodel"))
        return ClassifierCall(mlflow.pyfunc.load_model(str(root)), folder)

    def _verified(self, version: ModelVersion, into: Path) -> Path:
        """Download under `into`; the model's own folder, whose digest is the registered one."""
        model = next((self._download(version, into) / "artifacts").glob("*"), None)
        if model is None:
            raise UserError(
                f"the files of {version} are gone",
                "look at its artifacts in MLflow; train it again",
                code="artifact_missing",
            )
        found, digest = folder_digest(model), registered_digest(version)
        if found != digest:
            raise UserError(
                f"the stored files of {version} have digest {found[:12]}, "
                f"registered was {digest[:12]}",
                "the artefact was changed after training: train it again",
                code="artifact_changed",
            )
        return model

    def _download(self, version: ModelVersion, into: Path) -> Path:
        mlflow = open_mlflow(self.settings)
        try:
            with registry_errors(self.settings):
                uri = f"models:/{version.name}/{version.version}"
                return Path(mlflow.artifacts.download_artifacts(uri, dst_path=str(into)))
        except (UserError, OSError) as error:
            raise UserError(
                f"the files of {version} cannot be fetched ({error})",
                "look at its artifacts in MLflow; train it again if they are gone",
                code="artifact_missing",
            ) from error

    def _aliases(self, name: str) -> dict[str, int]:
        from mlflow.exceptions import MlflowException

        try:
            model = self.client.get_registered_model(name)
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return {}
            raise unreachable(self.settings, error) from error
        return {alias: int(number) for alias, number in model.aliases.items()}


@dataclass(frozen=True)
class ClassifierCall:
    """A loaded classifier PyFunc; its files live as long as it does."""

    model: Any
    files: tempfile.TemporaryDirectory[str]

    def classes(self, images: Sequence[bytes]) -> list[str]:
        """The class that the model names for each encoded image."""
        import pandas as pd

        answers = self.model.predict(pd.DataFrame({"image": list(images)}))
        return [str(name) for name in answers["class"]]


def registered_digest(version: ModelVersion) -> str:
    """What the version's files had when they were registered, in hex; UserError where untold."""
    digest = version.tags.get(DIGEST_TAG, "")
    if not DIGEST.fullmatch(digest):  # it also names a folder of ours
        raise UserError(
            f"{version} has no digest of its files, its tag {DIGEST_TAG} is {digest[:80]!r}",
            "only models that LeafGate stored can be used: train it again",
            code="artifact_changed",
        )
    return digest


def _version(item: Any, aliases: dict[str, int]) -> ModelVersion:  # noqa: ANN401 - MLflow entity
    number = int(item.version)
    return ModelVersion(
        name=item.name,
        version=number,
        run_id=item.run_id or "",
        aliases=tuple(sorted(alias for alias, v in aliases.items() if v == number)),
        tags=dict(item.tags),
        created_at_ms=int(item.creation_timestamp),
    )


def _described(version: ModelVersion) -> str:
    names = f" ({', '.join(version.aliases)})" if version.aliases else ""
    return f"{version.version}{names}"
