"""Registered model versions, their aliases and tags: the only door to MLflow's model registry.

MLflow takes three seconds to import, so it is imported on first use. Its search leaves the
aliases of versions empty (mlflow#16734): they are read from the registered model instead.
"""

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from leafgate.errors import UserError
from leafgate.settings import Settings
from registry.connection import mlflow_uri, open_mlflow, registry_errors
from registry.kept_copies import DIGEST, folder_digest, kept_copy
from registry.stored_model import (
    UnsafeArtifact,
    fetch_files,
    is_of_older_leafgate,
    model_folder,
)

if TYPE_CHECKING:
    from mlflow import MlflowClient

STAGING, PRODUCTION, PREVIOUS = "staging", "production", "previous"
PAGE = 1000  # versions that MLflow lists at once
LISTED = 20  # in an error
DIGEST_TAG = "artifact.digest"
KIND_TAG = "model.kind"
WEB = ("http", "https", "ftp", "sftp")


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
            uri = mlflow_uri(self.settings)
            self._client = open_mlflow(self.settings).MlflowClient(uri, uri)
        return self._client

    def versions(self, name: str) -> tuple[ModelVersion, ...]:
        """All versions, newest first; empty for an unknown model."""
        aliases, found, page = self._aliases(name), [], None
        with registry_errors(self.settings):
            while True:  # all pages: an older version must not look deleted
                part = self.client.search_model_versions(f"name='{name}'", PAGE, page_token=page)
                found += part
                page = part.token
                if not page:
                    break
        versions = (_version(item, aliases) for item in found)
        return tuple(sorted(versions, key=lambda item: -item.version))

    def get(self, name: str, which: int | str) -> ModelVersion:
        """The version with that number or alias. Raises UserError that lists what there is."""
        found = [v for v in self.versions(name) if which == v.version or which in v.aliases]
        if found:
            return found[0]
        versions = self.versions(name)
        known = ", ".join(map(_described, versions[:LISTED])) or "none"
        if len(versions) > LISTED:
            known = f"{known} and {len(versions) - LISTED} older ones"
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
        """Write one tag on the version of that number, though another process adds it just now."""
        from mlflow.exceptions import MlflowException

        with registry_errors(self.settings):
            try:
                self.client.set_model_version_tag(name, str(version), key, value)
            except MlflowException as error:
                if "UNIQUE constraint failed" not in str(error):
                    raise
                self.client.set_model_version_tag(name, str(version), key, value)

    def run_metrics(self, version: ModelVersion) -> dict[str, float]:
        """The metrics that the version's run logged, last value of each."""
        with registry_errors(self.settings):
            return dict(self.client.get_run(version.run_id).data.metrics)

    def run_tags(self, version: ModelVersion) -> dict[str, str]:
        """The tags of the version's run."""
        with registry_errors(self.settings):
            return dict(self.client.get_run(version.run_id).data.tags)

    def artifact_uri(self, run_id: str) -> str:
        """The place of a run's artifacts, as the store noted it when the run began."""
        with registry_errors(self.settings):
            return str(self.client.get_run(run_id).info.artifact_uri)

    def has_run_artifact(self, version: ModelVersion, path: str) -> bool:
        """Whether the version's run keeps an artifact of that path."""
        parent = str(Path(path).parent)
        with registry_errors(self.settings):
            self.require_own_run(version.run_id)
        with registry_errors(self.settings):
            listed = self.client.list_artifacts(version.run_id, None if parent == "." else parent)
        return any(item.path == path for item in listed)

    def require_reachable(self) -> None:
        """Raise UserError `registry_error` where the registry does not answer."""
        with registry_errors(self.settings):
            self.client.search_registered_models(max_results=1)

    def run_artifact(self, version: ModelVersion, path: str, into: Path) -> Path:
        """Download one artifact of the version's run. Raises UserError where it is missing."""
        with registry_errors(self.settings):
            self.require_own_run(version.run_id)
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
            self.require_own_run(version.run_id)
        with registry_errors(self.settings):
            self.client.log_artifacts(version.run_id, str(folder), path)
        return f"runs:/{version.run_id}/{path}"

    def require_own_run(self, run_id: str) -> None:
        """Raise UserError `artifact_unsafe` where a run's artifacts are at another web server.

        Raises what MLflow raises where it does not answer, or has no such run.
        """
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        uri = self.client.get_run(run_id).info.artifact_uri
        if urlsplit(uri).scheme in (*WEB, "mlflow-artifacts"):
            found = get_artifact_repository(uri, mlflow_uri(self.settings))
            uri = _underlying(found).artifact_uri
        _require_own_server(uri, self.settings)

    def folder(self, version: ModelVersion) -> Path:
        """The model (see `classifier_model`) in `stored_folder`."""
        return model_folder(self.stored_folder(version))

    def stored_folder(self, version: ModelVersion) -> Path:
        """A verified local copy of all stored files of the version, kept by their digest.

        Raises UserError where they are missing or differ from the digest that the version has as a
        tag. A copy that is there already, and still the same, is reused without asking MLflow; one
        that was changed is replaced.
        """
        return kept_copy(
            self.settings.models_dir,
            registered_digest(version),
            lambda beside: self._verified(version, beside),
        )

    def stored_digest(self, version: ModelVersion) -> str:
        """The digest of the files that MLflow stores for the version now, whatever copies say."""
        with tempfile.TemporaryDirectory(prefix="leafgate-stored-") as folder:
            return folder_digest(self._download(version, Path(folder)))

    def require_unchanged(self, version: ModelVersion) -> None:
        """Raise UserError unless MLflow stores the files that the version was registered with.

        They are fetched whatever copies there are, and become the copy that `folder` gives.
        """
        with tempfile.TemporaryDirectory(prefix="leafgate-stored-") as folder:
            found = self._verified(version, Path(folder))
            kept_copy(
                self.settings.models_dir,
                registered_digest(version),
                lambda beside: Path(shutil.copytree(found, beside / "stored")),
            )

    def _verified(self, version: ModelVersion, into: Path) -> Path:
        """Download into the empty folder `into`; it has the registered digest."""
        stored = self._download(version, into)
        found, digest = folder_digest(stored), registered_digest(version)
        if found == digest:
            return stored
        if is_of_older_leafgate(stored, digest):
            raise UserError(
                f"{version} was stored by an older LeafGate, whose digest leaves out its code",
                "train it again",
                code="artifact_changed",
            )
        raise UserError(
            f"the stored files of {version} have digest {found[:12]}, registered was {digest[:12]}",
            "the artefact was changed after training: train it again",
            code="artifact_changed",
        )

    def _download(self, version: ModelVersion, into: Path) -> Path:
        open_mlflow(self.settings)
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        stored = into / "stored"
        stored.mkdir()
        try:
            with registry_errors(self.settings):
                uri = self.client.get_model_version_download_uri(version.name, str(version.version))
                repository = _underlying(get_artifact_repository(uri))
                _require_own_server(repository.artifact_uri, self.settings)
                fetch_files(repository, stored)
        except (OSError, UserError) as error:
            if isinstance(error, UserError) and error.code == "artifact_unsafe":
                raise
            raise UserError(
                f"the files of {version} cannot be fetched ({error})",
                "look at its artifacts in MLflow; train it again if they are gone",
                code="artifact_missing",
            ) from error
        if not any(stored.iterdir()):
            raise UserError(
                f"the files of {version} are gone",
                "look at its artifacts in MLflow; train it again",
                code="artifact_missing",
            )
        return stored

    def _aliases(self, name: str) -> dict[str, int]:
        from mlflow.exceptions import MlflowException

        with registry_errors(self.settings):
            try:
                model = self.client.get_registered_model(name)
            except MlflowException as error:
                if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                    return {}
                raise
        return {alias: int(number) for alias, number in model.aliases.items()}


def _underlying(repository: Any) -> Any:  # noqa: ANN401 - MLflow's ArtifactRepository
    """Where the files are, without the wrappers by which MLflow finds that out."""
    while hasattr(repository, "repo"):
        repository = repository.repo
    return repository


def _require_own_server(uri: str, settings: Settings) -> None:
    """Whoever registers a version says where its files are: asking another server than MLflow's
    would show it our sign-in.
    """
    address, own = urlsplit(uri), urlsplit(settings.tracking_uri)
    named = (address.scheme, address.hostname, address.port)
    if address.scheme in WEB and named != (own.scheme, own.hostname, own.port):
        raise UnsafeArtifact(f"the stored files are at {address.scheme}://{address.hostname}")


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
