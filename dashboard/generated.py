"""An archive of generated pictures, taken apart, and what it comes to in words and numbers."""

import io
import json
import zipfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from dashboard.names import readable
from dashboard.plain_text import plain
from leafgate.errors import UserError
from leafgate.metrics.statistics import Interval, wilson

UNKNOWN = "Unknown"
AGREES, DIFFERS, STRANGE, PLAIN = "✓", "✗", "?", ""
NO_TEST = (
    "This is the classifier's opinion, and no test of either model: nobody has looked at these "
    "pictures, and where both models learnt from the same photographs they can share a mistake."
)


@dataclass(frozen=True)
class Reading:
    """What the classifier sees in a picture. unknown: it is unlike every training image."""

    class_name: str
    confidence: float
    unknown: bool

    @property
    def told(self) -> str:
        """As people read it."""
        return f"{readable(self.class_name)} {percent(self.confidence)}"


@dataclass(frozen=True)
class Picture:
    """One of an archive. asked: the class it was to be of; None where that is not known."""

    number: int
    file: str
    asked: str | None
    reading: Reading | None

    @property
    def mark(self) -> str:
        """How the reading stands to what was asked for; empty where one of them is missing."""
        if self.reading is None:
            return PLAIN
        if self.reading.unknown:
            return STRANGE
        if self.asked is None:
            return PLAIN
        return AGREES if self.asked == self.reading.class_name else DIFFERS

    @property
    def is_read_otherwise(self) -> bool:
        """Whether the classifier sees something else in it, or nothing it knows."""
        return self.mark in (DIFFERS, STRANGE)

    @property
    def caption(self) -> str:
        """Two lines in Markdown: what was asked for, what was read."""
        asked = plain(readable(self.asked)) if self.asked else f"Picture {self.number}"
        if self.reading is None:
            return asked
        words = {STRANGE: "unknown, perhaps ", DIFFERS: "read as "}.get(self.mark, "")
        return f"{asked}  \n{self.mark} {words}{plain(self.reading.told)}".replace("\n ", "\n")

    @property
    def alt(self) -> str:
        """In words, for who cannot see it."""
        asked = f", asked for as {readable(self.asked)}" if self.asked else ""
        read = f", read as {self.reading.told}" if self.reading else ""
        strange = ", unlike every training image" if self.mark == STRANGE else ""
        return f"Synthetic picture {self.number}{asked}{read}{strange}"


@dataclass(frozen=True)
class Archive:
    """What came back: the ZIP itself, its pictures in order, and where they come from.

    version: of the model; to_seed: of pictures on the way there from `seed`; reader: which
    classifier read them, and its version, None where nobody did; latency_ms: the service's time for
    all of it, None where it did not say.
    """

    data: bytes
    pictures: tuple[Picture, ...]
    model: str
    version: str
    seed: str
    to_seed: str | None
    reader: tuple[str, str] | None
    request_id: str
    latency_ms: float | None = None

    @property
    def seeds(self) -> str:
        """As people read them."""
        return self.seed if self.to_seed is None else f"{self.seed} to {self.to_seed}"

    @property
    def file_name(self) -> str:
        """To save it as."""
        return f"synthetic_{self.seeds.replace(' to ', '-')}.zip"

    def pngs(self, pictures: Sequence[Picture]) -> list[bytes]:
        """The files of these pictures."""
        with zipfile.ZipFile(io.BytesIO(self.data)) as archive:
            return [archive.read(picture.file) for picture in pictures]


def read_archive(data: bytes) -> Archive:
    """Take apart the API's ZIP. Raises UserError for one that is cut off or damaged."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if (broken := archive.testzip()) is not None:
                raise ValueError(f"{broken} is damaged")
            about = json.loads(archive.read("manifest.json"))
            missing = set(about["files"]) - set(archive.namelist())
            if missing:
                raise ValueError(f"{min(missing)} is missing")
        return _archive(data, about)
    except (zipfile.BadZipFile, ValueError, KeyError, TypeError, AttributeError, EOFError) as error:
        raise UserError(
            f"the archive that the API sent cannot be read ({error})",
            "press Generate again; if it fails again, look whether something between here and the "
            "API changes or cuts off its answers",
            code="unreadable_archive",
        ) from error


def _archive(data: bytes, about: dict[str, Any]) -> Archive:
    files, classes, readings = (_list(about, key) for key in ("files", "classes", "readings"))
    told = zip(files, classes, readings or [None] * len(files), strict=True)
    reader = about.get("read_by")
    return Archive(
        data,
        tuple(
            Picture(number, str(file), asked, _reading(read))
            for number, (file, asked, read) in enumerate(told, 1)
        ),
        str(about["model"]),
        str(about["version"]),
        str(about["seed"]),
        str(about["to_seed"]) if "to_seed" in about else None,
        (str(reader["name"]), str(reader["version"])) if isinstance(reader, dict) else None,
        str(about["request_id"]),
        float(about["latency_ms"]) if "latency_ms" in about else None,
    )


def _list(about: dict[str, Any], key: str) -> list[Any]:
    found = about.get(key, [])
    if not isinstance(found, list):
        raise TypeError(f"{key} is no list")
    return found


def _reading(told: object) -> Reading | None:
    if not isinstance(told, dict):
        return None
    return Reading(str(told["class"]), float(told["confidence"]), bool(told["unknown"]))


@dataclass(frozen=True)
class ClassCount:
    """Pictures of one class, as people read it. read: None where nobody read any."""

    name: str
    asked: int
    read: int | None


def percent(share: float) -> str:
    """A share as people read it."""
    return f"{100 * share:.0f} %"


def class_counts(pictures: Sequence[Picture]) -> list[ClassCount]:
    """How many were asked to be of each class, and how many were read as it; by name, and what the
    classifier does not know last.
    """
    asked = Counter(readable(each.asked) for each in pictures if each.asked)
    readings = [each.reading for each in pictures if each.reading]
    read = Counter(UNKNOWN if each.unknown else readable(each.class_name) for each in readings)
    names = sorted((asked | read).keys() - {UNKNOWN}) + [UNKNOWN] * (UNKNOWN in read)
    return [ClassCount(name, asked[name], read[name] if readings else None) for name in names]


def agreement(pictures: Sequence[Picture]) -> Interval | None:
    """The share that is read as asked, with its 95 % interval (Wilson).

    None where no picture has both. One that is unlike every training image is not read as asked.
    """
    both = [each for each in pictures if each.asked and each.reading]
    return wilson(sum(each.mark == AGREES for each in both), len(both)) if both else None


def agreement_told(archive: Archive) -> str | None:
    """The same in a sentence, with what it does not mean; None where nobody read anything."""
    read = [each for each in archive.pictures if each.reading]
    if not read or archive.reader is None:
        return None
    found = agreement(archive.pictures)
    if found is None:
        return f"No class was asked for, so there is nothing to agree with. {NO_TEST}"
    both = [each for each in read if each.asked]
    name, right = plain(" version ".join(archive.reader)), sum(each.mark == AGREES for each in both)
    told = (
        f"The classifier ({name}) reads {right:,} of {len(both):,} as the class they were asked to "
        f"be: {percent(found.value)} (95 % interval {percent(found.low)} to {percent(found.high)})."
    )
    if strange := sum(each.mark == STRANGE for each in read):
        verb = "is" if strange == 1 else "are"
        told += f" {strange:,} {verb} unlike every image that it learnt from."
    return f"{told} {NO_TEST}"


def course_told(pictures: Sequence[Picture]) -> str:
    """Where on a way the reading changes; empty where nobody read it."""
    if not any(each.reading for each in pictures):
        return ""
    parts = []
    for name, group in groupby(pictures, _read_as):
        steps = [each.number for each in group]
        where = f"step {steps[0]}" if len(steps) == 1 else f"steps {steps[0]} to {steps[-1]}"
        parts.append(f"{name} in {where}")
    return f"The classifier reads {', then '.join(parts)}."


def _read_as(picture: Picture) -> str:
    """As Markdown."""
    if picture.reading is None:
        return "nothing (it failed)"
    known = plain(readable(picture.reading.class_name))
    return "nothing it knows" if picture.reading.unknown else known
