"""Where artifacts lie now whose places were noted when the state folder was elsewhere.

MLflow's SQLite store notes an absolute place for each run and model. A project that was moved,
copied to another machine or mounted under another name has them under its state folder all the
same: `<state>/mlflow/artifacts/…`. So what follows that is looked for in today's state folder, and
nothing in the store has to be changed. Digests and signatures are of the files, wherever they lie.
"""

from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from leafgate.settings import Settings
from leafgate.sqlite_url import sqlite_file

ROOT = ("mlflow", "artifacts")


def artifact_root(settings: Settings) -> Path:
    """Where an embedded store keeps the artifacts of new runs."""
    return settings.var_dir.joinpath(*ROOT)


def folder_of(uri: str) -> Path | None:
    """The folder that an artifact URI means; None: it is no absolute path of this machine."""
    parts = urlsplit(uri)
    if parts.scheme not in ("", "file") or parts.netloc not in ("", "localhost"):
        return None
    # Without a scheme it is a path, in which `#` and `?` are characters like others for MLflow.
    folder = Path(url2pathname(parts.path if parts.scheme else uri))
    return folder if folder.is_absolute() else None


def present_folder(settings: Settings, noted: Path) -> Path:
    """Where a folder that the store noted is today; the same where it is none of the state's."""
    roots = _roots(settings)
    if not roots or any(noted.is_relative_to(root) for root in roots):
        return noted
    places = [(former, root / rest) for former, rest in _splits(noted) for root in roots]
    for _, place in places:
        if _is_there(place):
            return place
    if not places or _is_there(noted) or _is_chosen_by_a_person(places[0][0]):
        return noted
    return places[0][1]


def former_state(settings: Settings, noted: Path) -> Path | None:
    """The state folder of the time when a place was noted; None: today's, or nothing is known."""
    if present_folder(settings, noted) == noted:
        return None
    return next((former for former, _ in _splits(noted)), None)


def present_data(settings: Settings, noted: Path, images: Path) -> Path:
    """Where a folder of images is today, that lay in the project (beside or in its state folder).

    noted: the place of a run's artifacts that was noted at the same time.
    """
    former = former_state(settings, noted)
    if former is None or _is_there(images) or ".." in images.parts:
        return images
    for before, now in ((former, settings.var_dir), (former.parent, settings.var_dir.parent)):
        if images.is_relative_to(before):
            place = now / images.relative_to(before)
            return place if _is_there(place) else images
    return images


def _roots(settings: Settings) -> list[Path]:
    """Where an embedded store has its artifacts: beside it, or in the state folder of who asks."""
    file = sqlite_file(settings.tracking_uri)
    if file is None:
        return []
    beside = file.resolve().parent.parent.joinpath(*ROOT)
    own = artifact_root(settings)
    return list(dict.fromkeys((beside, own) if file.parent.name == ROOT[0] else (own,)))


def _splits(noted: Path) -> list[tuple[Path, Path]]:
    """(state folder, path under its artifacts), the longest state folder first."""
    parts = noted.parts
    starts = [at for at in range(len(parts) - 1, 0, -1) if parts[at : at + 2] == ROOT]
    return [
        (Path(*parts[:at]), Path(*parts[at + 2 :])) for at in starts if ".." not in parts[at + 2 :]
    ]


def _is_chosen_by_a_person(state: Path) -> bool:
    """Whether artifacts are kept there that belong to no store of LeafGate's beside them."""
    folder = state / ROOT[0]
    return _is_there(folder.joinpath(*ROOT[1:])) and not _is_there(folder / "mlflow.db")


def _is_there(path: Path) -> bool:
    """Whether there is such a file or folder for this user: another's may not be looked into."""
    try:
        return path.exists()
    except OSError:
        return False


def follow_moves(settings: Settings) -> None:
    """Have MLflow, in this process, look for artifacts where they are today.

    By its registry of artifact repositories, as its plugins do: for reading and for writing.
    """
    from mlflow.store.artifact.artifact_repository_registry import _artifact_repository_registry
    from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository

    class PresentArtifacts(LocalArtifactRepository):  # type: ignore[misc]
        """Artifacts in a folder, wherever that is today."""

        def __init__(
            self, artifact_uri: str, tracking_uri: object = None, registry_uri: object = None
        ) -> None:
            super().__init__(artifact_uri, tracking_uri, registry_uri)
            noted = Path(str(self.artifact_dir))
            self._artifact_dir = str(present_folder(settings, noted))

    for scheme in ("", "file"):
        _artifact_repository_registry.register(scheme, PresentArtifacts)
