"""The images that a version is judged by: named by a digest, proven unchanged, never learnt from.

Candidate and champion are always measured on one and the same set, in the same run; a figure of
one set is never compared with a figure of another.
"""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from leafgate.errors import UserError
from leafgate.file_names import disk_path
from leafgate.manifest import Manifest, ManifestRow
from registry.artifact_places import folder_of, present_data
from registry.store import ModelStore, ModelVersion
from registry.stored_model import trained_with
from registry.tracking import MANIFEST_ARTIFACT


@dataclass(frozen=True)
class EvaluationSet:
    """rows: the test side of `manifest`; digest: of that side; own: the candidate's own."""

    manifest: Manifest
    rows: tuple[ManifestRow, ...]
    digest: str
    own: bool

    @property
    def files(self) -> tuple[Path, ...]:
        """Where the images lie."""
        return tuple(self.manifest.file(row) for row in self.rows)

    @property
    def groups(self) -> tuple[str, ...]:
        """The leaf group of each image."""
        return tuple(row.group for row in self.rows)


@dataclass(frozen=True)
class Learnt:
    """Rows of an evaluation set that leak, by path. seen: the image itself was learnt from;
    mates: another picture of the same leaf was. related: whether the two splits have an image in
    common; where they have none, their groups say nothing of each other's leaves.
    """

    seen: tuple[str, ...]
    mates: tuple[str, ...]
    related: bool = field(default=True, compare=False)


def find_evaluation_set(
    store: ModelStore,
    candidate: ModelVersion,
    champion: ModelVersion | None = None,
    wanted: str = "",
    manifest_file: Path | None = None,
    data: Path | None = None,
) -> EvaluationSet:
    """The set of digest `wanted`, else the test side of the file, else the candidate's own.

    A wanted one is looked for in the file, or in what candidate and champion were trained with.
    data: where the images are now, if moved. Raises UserError where it is nowhere, or an image is
    missing or changed.
    """
    own = run_manifest(store, candidate, data)
    own_digest = own.side_digest("test") if own else ""
    found = []
    for manifest in _sources(store, candidate, champion, own, manifest_file, data):
        digest = manifest.side_digest("test")
        found.append(digest[:12])
        if digest.startswith(wanted):
            return _proven(manifest, digest, digest == own_digest)
    raise UserError(
        f"the policy names evaluation set {wanted[:12]}, found were: {', '.join(found)}",
        "give the split that it is the test side of with --manifest, or change `evaluation_set` in "
        "the policy",
        code="evaluation_set_unknown",
    )


def _sources(
    store: ModelStore,
    candidate: ModelVersion,
    champion: ModelVersion | None,
    own: Manifest | None,
    file: Path | None,
    data: Path | None,
) -> Iterator[Manifest]:
    if file is not None:
        yield Manifest.load(file, data or _logged_root(store, candidate))
        return
    if own is not None:
        yield own
    before = run_manifest(store, champion, data) if champion else None
    if before is not None:
        yield before
    if own is None and before is None:
        raise UserError(
            f"the run of {candidate} has no artifact {MANIFEST_ARTIFACT}",
            "give the split to judge it by with --manifest, or train it again",
            code="artifact_missing",
        )


def _logged_root(store: ModelStore, version: ModelVersion) -> Path:
    """The data folder of its training."""
    root = disk_path(Path(), store.run_tags(version).get("data.root", "."))
    noted = folder_of(store.artifact_uri(version.run_id))
    return root if noted is None else present_data(store.settings, noted, root)


def _proven(manifest: Manifest, digest: str, own: bool) -> EvaluationSet:
    rows = manifest.side("test")
    if not rows:
        raise UserError(
            f"the split of {manifest.root} has no test image",
            "give one that has with --manifest, or split the images again",
            code="test_images_missing",
        )
    changed = manifest.changed_files(rows)
    if changed:
        raise UserError(
            f"{len(changed)} of {len(rows)} test images in {manifest.root} are missing or changed, "
            f"the first: {changed[0]}",
            "give the folder with the images of training with --data",
            code="test_images_changed",
        )
    return EvaluationSet(manifest, rows, digest, own)


def run_manifest(
    store: ModelStore, version: ModelVersion, data: Path | None = None
) -> Manifest | None:
    """What the version was trained with, as its run keeps it; None where it keeps none.

    Raises UserError where it is not the split that the registered files name.
    """
    if not store.has_run_artifact(version, MANIFEST_ARTIFACT):
        return None
    root = data or _logged_root(store, version)
    with tempfile.TemporaryDirectory() as folder:
        found = Manifest.load(store.run_artifact(version, MANIFEST_ARTIFACT, Path(folder)), root)
    digest = trained_with(store.stored_folder(version))
    if digest is not None and not found.has_digest(digest):
        raise UserError(
            f"the split that the run of {version} keeps has digest {found.digest[:12]}, it was "
            f"trained with {digest[:12]}",
            "the run was changed after training: train it again",
            code="artifact_changed",
        )
    return found


def learnt_from(trained: Manifest, judged: EvaluationSet) -> Learnt:
    """Which images of the set leak. Training and validation sides both count as learnt from.

    Images are known by their SHA-256, leaves by the groups of either manifest: names of groups in
    different manifests mean nothing to each other.
    """
    learnt = {row.sha256 for row in trained.rows if row.side != "test"}
    groups = {row.group for row in trained.rows if row.side != "test"}
    grouped = {row.sha256: row.group for row in trained.rows if row.side == "test"}
    mates = {row.group for row in judged.manifest.rows if row.sha256 in learnt}
    seen = tuple(row.path for row in judged.rows if row.sha256 in learnt)
    near = tuple(
        row.path
        for row in judged.rows
        if row.sha256 not in learnt and (row.group in mates or grouped.get(row.sha256) in groups)
    )
    known = {row.sha256 for row in trained.rows}
    related = any(row.sha256 in known for row in judged.manifest.rows)
    return Learnt(seen, near, related)
