"""Models on this machine: their files, and which version was served last, for when MLflow is away.

Nothing here imports MLflow in the calling process: what has to be fetched, a child fetches.
"""

import json
import os
import shutil
import time
from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import quote

from leafgate.files import whole
from leafgate.settings import Settings
from leafgate.strict_json import dump_json
from registry.child_fetch import fetch_in_child
from registry.kept_copies import DIGEST, is_intact, locked
from registry.store import DIGEST_TAG, ModelVersion, registered_digest
from registry.stored_model import model_folder

DAY_SECONDS = 86_400


class LocalCopies:
    """The copies under `var_dir`; several processes may share them."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def folder(self, version: ModelVersion) -> Path:
        """The model in a verified copy of the version's files, as `ModelStore.folder` gives it;
        each call verifies the copy.

        Raises UserError as that does, and `fetch_failed` where the fetching process breaks down or
        takes longer than `model_fetch_seconds`.
        """
        digest = registered_digest(version)
        kept = self.settings.models_dir / digest
        if not is_intact(kept, digest):
            fetch_in_child(self.settings, version)
        os.utime(kept)
        return model_folder(kept)

    def remember(self, alias: str, version: ModelVersion) -> None:
        """Note that `version` is what `alias` meant when it was last served."""
        file = self._note(version.name, alias)
        file.parent.mkdir(parents=True, exist_ok=True)
        with whole(file) as beside:
            beside.write_text(dump_json(asdict(version), indent=2), encoding="utf-8")

    def recalled(self, name: str, alias: str) -> ModelVersion | None:
        """What was remembered last; None where nothing was, or the note cannot be understood."""
        try:
            noted = json.loads(self._note(name, alias).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        version = _as_version(noted)
        return version if version is not None and version.name == name else None

    def prune(self, keep: Collection[str], unused_days: float = 30.0) -> tuple[str, ...]:
        """Remove copies that nobody asked for in that time; the digests removed.

        Kept whatever their age: the digests in `keep`, and what is remembered under any alias.
        """
        notes = (self.settings.var_dir / "serving").glob("*.json")
        safe = {*keep, *(_noted_digest(note) for note in notes)}
        oldest = time.time() - unused_days * DAY_SECONDS
        removed = []
        for copy in self.settings.models_dir.glob("*"):
            if DIGEST.fullmatch(copy.name) and copy.name not in safe:
                with locked(self.settings.models_dir, copy.name):
                    if copy.stat().st_mtime < oldest:
                        shutil.rmtree(copy)
                        removed.append(copy.name)
        return tuple(sorted(removed))

    def _note(self, name: str, alias: str) -> Path:
        return self.settings.var_dir / "serving" / f"{quote(name, safe='')}.{alias}.json"


def _as_version(noted: Any) -> ModelVersion | None:  # noqa: ANN401 - whatever the file holds
    """The version that a note tells of, if each of its values is of the kind it should be."""
    match noted:
        case {
            "name": str(name),
            "version": int(number),
            "run_id": str(run_id),
            "aliases": list(aliases),
            "tags": dict(tags),
            "created_at_ms": int(created),
        } if all(isinstance(text, str) for text in (*aliases, *tags.values())):
            return ModelVersion(name, number, run_id, tuple(aliases), tags, created)
    return None


def _noted_digest(note: Path) -> str:
    try:
        version = _as_version(json.loads(note.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return ""
    return version.tags.get(DIGEST_TAG, "") if version else ""
