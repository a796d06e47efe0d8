"""The models in production, loaded and warm; a new version replaces the old one between requests.

A thread follows the alias `production`. A version is looked up in the audit, downloaded, verified,
loaded and run once before it is swapped in; one that fails, or whose files the audit does not vouch
for, leaves the old one serving, and its reason is kept.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np

from leafgate.audit import AuditTrail
from leafgate.audit_key import trusted_keys
from leafgate.errors import UserError
from leafgate.settings import Settings
from registry import (
    PRODUCTION,
    Classifier,
    Generator,
    ModelStore,
    ModelVersion,
    require_vouched,
)

log = logging.getLogger(__name__)

Model = TypeVar("Model", Classifier, Generator)


@dataclass(frozen=True)
class Live(Generic[Model]):
    """A loaded model and the version it is; one reference, swapped whole."""

    model: Model
    version: ModelVersion


class Slot(Generic[Model]):
    """One model's place: what is live, and why the newest is not, if so."""

    def __init__(self, name: str, store: ModelStore, load: Callable[[ModelVersion], Model]) -> None:
        self.name = name
        self.problem: str | None = "not loaded yet"
        self._store = store
        self._load: Callable[[ModelVersion], Model] = load
        self._live: Live[Model] | None = None

    @property
    def live(self) -> Live[Model] | None:
        """The model that answers now."""
        return self._live

    def require(self) -> Live[Model]:
        """The model that answers now. Raises UserError `no_production_model` with the reason."""
        if self._live is None:
            raise UserError(
                f"{self.name} is not being served: {self.problem}",
                f"promote a version with `leafgate gate {self.name}`",
                code="no_production_model",
            )
        return self._live

    def refresh(self) -> None:
        """Follow the alias; never raises for a registry or model at fault."""
        try:
            wanted = self._store.find(self.name, PRODUCTION)
            if wanted is None:
                self._live, self.problem = None, f"no version has the alias '{PRODUCTION}'"
            elif self._live is None or wanted.version != self._live.version.version:
                self._live, self.problem = Live(self._load(wanted), wanted), None
                log.info("%s is live", wanted)
            else:
                self.problem = None
        except Exception as error:
            if str(error) != self.problem:
                log.exception("%s: the version in production cannot be loaded", self.name)
            self.problem = str(error)


class LiveModels:
    """The classifier and the generator in production."""

    def __init__(self, settings: Settings, trail: AuditTrail) -> None:
        self.settings = settings
        store = ModelStore(settings)

        def vouched(version: ModelVersion) -> Path:
            """The files of a version, if the audit put them into production."""
            require_vouched(version, trail.records(version.name), trusted_keys(settings))
            return store.folder(version)

        def load_classifier(version: ModelVersion) -> Classifier:
            classifier = Classifier.load(vouched(version), settings.engine)
            size = classifier.description.image_size
            classifier.predict(np.zeros((1, size, size, 3), np.uint8))
            return classifier

        def load_generator(version: ModelVersion) -> Generator:
            generator = Generator.load(vouched(version), settings.engine)
            generator.generate(1, seed=0)
            return generator

        self.classifier = Slot(settings.classifier_name, store, load_classifier)
        self.generator = Slot(settings.generator_name, store, load_generator)
        self.looked = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="live-models", daemon=True)

    def start(self) -> None:
        """Begin to follow the registry."""
        self._thread.start()

    def stop(self) -> None:
        """Stop following; what is live stays usable."""
        self._stopping.set()

    def refresh(self) -> None:
        """Look at the registry now."""
        self.classifier.refresh()
        self.generator.refresh()
        self.looked.set()

    def _follow(self) -> None:
        while not self._stopping.is_set():
            self.refresh()
            self._stopping.wait(self.settings.model_poll_seconds)
