"""What LeafGate keeps with a run, read back for people: evaluation, gate report, study.

Whoever may write to the registry may write these files and the tags that name them, so nothing here
is believed before it has been looked at. What is broken is told in the log, and is none.
"""

import logging
import re
from pathlib import PurePath
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from leafgate.strict_json import dump_json, load_json
from registry.store import ModelVersion
from registry.versions import VersionReader

log = logging.getLogger(__name__)

EVALUATION_ARTIFACT = "evaluation/test.json"
STUDY_ARTIFACT = "study/gain.json"
REPORT_TAG = "gate.report"
REPORT = re.compile(r"runs:/([\w-]+)/(gate/version-(\d+)/\d{8}T\d{6}Z)", re.ASCII)
CHECK = re.compile(r"[a-z][a-z0-9_]{0,63}")
PNG = b"\x89PNG\r\n\x1a\n"
MOST_JSON = 16 * 2**20  # bytes
MOST_PICTURE = 8 * 2**20

Count = Annotated[int, Field(ge=0)]


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)


class Confusion(_Strict):
    """Counts of test images; rows: true classes, columns: told ones, in the order of `labels`."""

    labels: list[str]
    confusion: list[list[Count]]

    @property
    def is_square(self) -> bool:
        """Whether there are as many rows and columns as labels."""
        return {len(self.confusion), *map(len, self.confusion)} == {len(self.labels)}


class StudyPart(_Strict):
    """One arm of a study; None: not known. Further fields are kept as they are."""

    model_config = ConfigDict(extra="allow")

    name: str
    value: FiniteFloat | None
    low: FiniteFloat | None
    high: FiniteFloat | None


class Study(_Strict):
    """What an augmentation experiment found: docs/gate.md says what the file holds.

    low, high: None where its interval is not known.
    """

    model_config = ConfigDict(extra="allow")

    value: FiniteFloat
    low: FiniteFloat | None
    high: FiniteFloat | None
    metric: str = "macro F1"
    arms: list[StudyPart] = []

    @property
    def about(self) -> dict[str, Any]:
        """All else that the file says."""
        return dict(self.model_extra or {})


Document = TypeVar("Document", bound=_Strict)


def confusion_of(reader: VersionReader, run_id: str) -> Confusion | None:
    """Of the run's evaluation on the test side; None: it has none, as that of a generator."""
    told = _read(reader, run_id, EVALUATION_ARTIFACT)
    if not isinstance(told, dict) or "confusion" not in told:
        return None
    found = _checked(Confusion, told, run_id, EVALUATION_ARTIFACT)
    if found is not None and not found.is_square:
        _broken(run_id, EVALUATION_ARTIFACT, "the confusion matrix does not fit its labels")
        return None
    return found


def study_of(reader: VersionReader, run_id: str) -> Study | None:
    """The study of a generator's run, where one was made."""
    told = _read(reader, run_id, STUDY_ARTIFACT)
    if told is None:
        return None
    found = _checked(Study, told, run_id, STUDY_ARTIFACT)
    ends = [(part.low, part.high) for part in found.arms] if found else []
    if found is not None and any(_ends_first(*each) for each in ((found.low, found.high), *ends)):
        _broken(run_id, STUDY_ARTIFACT, "an interval ends before it begins")
        return None
    return found


def _ends_first(low: float | None, high: float | None) -> bool:
    return low is not None and high is not None and low > high


def gate_report(
    reader: VersionReader, version: ModelVersion, hidden: str = ""
) -> dict[str, Any] | None:
    """The version's gate report as the gate stored it, and under `pictures` the checks that have
    one; None where none was made. hidden: an absolute path, which is left out
    wherever it stands.
    """
    folder = _report_folder(version)
    if folder is None:
        return None
    told = _read(reader, version.run_id, f"{folder}/report.json", hidden)
    if not isinstance(told, dict):
        return None
    names = (name.removesuffix(".png") for name in _pictures(reader, version, folder))
    return {**told, "pictures": sorted(name for name in names if CHECK.fullmatch(name))}


def gate_picture(reader: VersionReader, version: ModelVersion, check: str) -> bytes | None:
    """The PNG of one check of the version's gate report."""
    folder = _report_folder(version)
    if folder is None or not CHECK.fullmatch(check):
        return None
    path = f"{folder}/{check}.png"
    found = reader.artifact(version.run_id, path, MOST_PICTURE)
    if found is not None and not found.startswith(PNG):
        _broken(version.run_id, path, "it is no PNG")
        return None
    return found


def _pictures(reader: VersionReader, version: ModelVersion, folder: str) -> list[str]:
    return [name for name in reader.files(version.run_id, folder) if name.endswith(".png")]


def _report_folder(version: ModelVersion) -> str | None:
    """Where its report lies in its own run; another run's is not taken for it."""
    tag = version.tags.get(REPORT_TAG)
    if not tag:
        return None
    found = REPORT.fullmatch(tag)
    if found is None or (found[1], found[3]) != (version.run_id, str(version.version)):
        log.warning("%s has a tag %s that names no report of its own", version, REPORT_TAG)
        return None
    return found[2]


def _read(reader: VersionReader, run_id: str, path: str, hidden: str = "") -> Any:  # noqa: ANN401
    """Any JSON that can be told on, None in place of figures that are not finite (older versions
    wrote NaN); None: there is none.
    """
    data = reader.artifact(run_id, path, MOST_JSON)
    if data is None:
        return None
    try:
        text = data.decode()
        if PurePath(hidden).is_absolute() and len(hidden) > 1:
            text = text.replace(dump_json(hidden)[1:-1], "…")
        told = load_json(text)
        dump_json(told).encode()  # lone surrogates
    except (ValueError, RecursionError) as error:
        _broken(run_id, path, str(error))
        return None
    return told


def _checked(
    kind: type[Document],
    told: Any,  # noqa: ANN401 - any JSON
    run_id: str,
    path: str,
) -> Document | None:
    try:
        return kind.model_validate(told)
    except ValidationError as error:
        first = error.errors()[0]
        _broken(run_id, path, f"{'.'.join(map(str, first['loc']))}: {first['msg']}")
        return None


def _broken(run_id: str, path: str, why: str) -> None:
    log.warning("%s of run %s cannot be used: %s", path, run_id, why[:300])
