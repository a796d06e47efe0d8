"""One model's place in the service: what answers now, what did before, and why the newest does not.

A new version is loaded and warmed beside the one that answers, then takes its place in one
assignment. The one before stays warm: going back to it is again one assignment.
"""

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Generic

from leafgate.errors import UserError
from registry import DIGEST_TAG, Follows, LocalCopies, ModelVersion
from serving.bake import Bake, Bounds, Verdict
from serving.live import Live
from serving.metrics import Metrics
from serving.public_text import public_problem

log = logging.getLogger(__name__)

Key = tuple[int, str]


@dataclass(frozen=True)
class Sources(Generic[Live]):
    """Where versions come from. follows: says which one should answer."""

    follows: Follows
    copies: LocalCopies
    start: Callable[[ModelVersion, Path], Live]


class Slot(Generic[Live]):
    """Follows one alias of one model, or what the audit has in its place. Only one thread at a time
    may change it.
    """

    def __init__(
        self, name: str, alias: str, sources: "Sources[Live]", metrics: Metrics, bounds: Bounds
    ) -> None:
        self.name, self.alias = name, alias
        self.problem: str | None = "not loaded yet"
        self.vacant = False  # the registry has said that there is nothing to serve
        self.taken_back: tuple[Key, str] | None = None
        self._sources: Sources[Live] = sources
        self._metrics, self._bounds = metrics, bounds
        self._live: Live | None = None
        self._before: Live | None = None
        self._bake: Bake | None = None

    @property
    def live(self) -> Live | None:
        """What answers now."""
        return self._live

    def require(self) -> Live:
        """What answers now. Raises UserError `no_production_model` with the reason."""
        if self._live is None:
            raise UserError(
                f"{self.name} is not being served: {public_problem(self.problem)}",
                f"promote a version with `leafgate gate {self.name}`",
                code="no_production_model",
            )
        return self._live

    def refresh(self) -> None:
        """Follow what should answer; never raises for a registry, audit or model at fault."""
        known: str | None = None
        try:
            wanted = self._sources.follows.look(self._live.version if self._live else None)
            known = wanted.problem
            self.vacant = self.vacant or wanted.is_vacant
            if wanted.version is None:
                self._empty(known)
                return
            self._tell(_joined(self._take_up(wanted.version), known))
        except Exception as error:  # noqa: BLE001 - the old one goes on answering
            self._tell(_joined(str(error), known), error)

    def _take_up(self, wanted: ModelVersion) -> str | None:
        """Answer with that version, or say why not."""
        if self.taken_back is not None and self.taken_back[0] != key_of(wanted):
            self.taken_back = None  # the alias has moved on
        if self._live is not None and key_of(self._live.version) == key_of(wanted):
            return None
        if self.taken_back is not None:
            return f"version {wanted.version} was taken back: {self.taken_back[1]}"
        self._swap(self._bring(wanted))
        self._sources.copies.remember(self.alias, wanted)
        self._make_room()
        return None

    def _make_room(self) -> None:
        """Let go of copies of models that nobody has asked for in a month."""
        before = () if self._before is None else (key_of(self._before.version)[1],)
        with suppress(OSError):
            self._sources.copies.prune(before)

    def _bring(self, wanted: ModelVersion) -> Live:
        """The version, warm. Raises what makes it unfit to be served."""
        try:
            if self._before is not None and key_of(self._before.version) == key_of(wanted):
                return self._before
            return self._sources.start(wanted, self._sources.copies.folder(wanted))
        except Exception as error:
            if str(error) not in (self.problem or ""):
                self._metrics.swapped(self.name, "failed")
            raise

    def _swap(self, new: Live) -> None:
        old, gone = self._live, self._before
        new.tally.forget()
        self._live, self._before = new, old
        self.vacant = False
        if gone is not None and gone is not new:
            gone.batcher.close()
        self._bake = None
        if old is not None and self._bounds.minutes > 0:
            self._bake = Bake(self._bounds, old.tally.figures(), new.tally)
        version, engine = new.version, new.model.engine
        digest = version.tags.get(DIGEST_TAG, "")
        self._metrics.live(self.name, version.version, engine.name, digest)
        self._metrics.swapped(self.name, "swapped")
        log.info("%s is live on %s (%s)", version, engine.name, engine.reason)

    def _empty(self, problem: str | None) -> None:
        for live in (self._live, self._before):
            if live is not None:
                live.batcher.close()
        self._live = self._before = self._bake = None
        self._metrics.gone(self.name)
        self._tell(problem)

    def judge(self) -> tuple[ModelVersion, Verdict] | None:
        """During a bake time: go back to the version before where the new one does worse.

        Returns the version that was taken back, and why.
        """
        bake, bad, before = self._bake, self._live, self._before
        if bake is None or bad is None or before is None:
            return None
        verdict = bake.verdict()
        if verdict is None:
            self._bake = None if bake.is_over else bake
            return None
        self._swap(before)
        self._bake = None
        self.taken_back = (key_of(bad.version), verdict.reason)
        self._metrics.rolled_back(self.name, verdict.bound)
        self._tell(f"version {bad.version.version} was taken back: {verdict.reason}")
        return bad.version, verdict

    def _tell(self, problem: str | None, error: Exception | None = None) -> None:
        if problem is not None and problem != self.problem:
            log.warning("%s: %s", self.name, problem, exc_info=error)
        self.problem = problem


def _joined(*problems: str | None) -> str | None:
    """Several problems in one line; None where there is none."""
    return "; ".join(filter(None, problems)) or None


def key_of(version: ModelVersion) -> Key:
    """What makes a version this one: its number and its files."""
    return version.version, version.tags.get(DIGEST_TAG, "")
