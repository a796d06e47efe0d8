"""Hourly counts: what they hold, and how they are made of rows.

Dimensions of the traffic, one row for each name in an hour: `endpoint`, `user` and `source` (""
where there is none), `client` (the program that asked; "" where none was recorded), `version`
("model version", of requests that a model answered), `batch` (number of images, of requests that
sent any) and `made` (number of pictures, of requests that had any made). Their histogram is of
latencies.

Dimensions of the diagnoses, one row for each name, class and version of the model in an hour:
`class` (name: the model's), `class_user` and `class_source`. What a shadow said is in none of them,
and neither is what /explain said: an image that is explained is not diagnosed once more. Their
histogram is of confidences.

`reading`, one row for each classifier (the name), class and version in an hour: what was read in
generated pictures, which is no diagnosis. `answered` counts pictures; it has no histogram.

A part comes in under these names. When a day is settled (sql/rollups.py) its parts move: to
`endpoint/h`, by the hour, and again to `endpoint/d`, summed up by the day of UTC, so that a quarter
is read in ninety steps. So an hour is what lies in `endpoint` and `endpoint/h`, a day what lies in
`endpoint` and `endpoint/d`, whether it is settled, not yet, or got something since.
"""

import secrets
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from sql.histogram import confidence_bin, decode, encode, latency_bin
from sql.read_classes import ReadClass, read_classes
from sql.records import EXPLAIN, Row, Rows

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
SHADOW = "shadow"
GENERATE = "/generate"
READING = "reading"
SETTLED_HOURS, SETTLED_DAYS = "/h", "/d"  # what follows the name of the dimension

Fields = Mapping[str, Any] | sa.RowMapping  # a row of a table
# dimension, hour, name, class, version of the model
Key = tuple[str, datetime, str, str | None, int | None]
_KEY = ("dimension", "hour_utc", "name", "class_name", "model_version")
SUMS = ("answered", "refused", "failed", "images", "unknown", "confidence_sum")


@dataclass
class Tally:
    """Counts of one key. histogram: of latencies or confidences, by bin."""

    answered: int = 0
    refused: int = 0
    failed: int = 0
    images: int = 0
    unknown: int = 0
    confidence_sum: float = 0.0
    histogram: dict[int, int] = field(default_factory=dict)

    def add(self, other: "Tally") -> None:
        """Count in what the other counted."""
        for name in SUMS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for number, count in other.histogram.items():
            self.histogram[number] = self.histogram.get(number, 0) + count

    def add_request(self, row: Fields, number: int) -> None:
        """Count a row of `requests`. number: its latency's bin."""
        count = row["request_count"]
        if row["status"] < 400:
            self.answered += count
        elif row["status"] < 500:
            self.refused += count
        else:
            self.failed += count
        self.images += row["images"]
        self.histogram[number] = self.histogram.get(number, 0) + count

    def add_answer(self, row: Fields) -> None:
        """Count a row of `predictions`."""
        confidence = row["confidence"] or 0.0
        self.answered += 1
        self.unknown += bool(row["unknown"])
        self.confidence_sum += confidence
        number = confidence_bin(confidence)
        self.histogram[number] = self.histogram.get(number, 0) + 1

    def add_reading(self, reading: ReadClass) -> None:
        """Count generated pictures that were read as one class."""
        self.answered += reading.pictures
        self.unknown += reading.unknown
        self.confidence_sum += reading.confidence_sum


Tallies = dict[Key, Tally]


def tally(rows: Iterable[Rows]) -> Tallies:
    """The counts of entries, each with all its rows."""
    found: Tallies = defaultdict(Tally)
    for entry in rows:
        (request,) = entry.get("requests") or (None,)
        if request is not None:
            add_request(found, request)
        for prediction in entry.get("predictions", ()):
            user, source = (request["user_name"], request["source"]) if request else (None, None)
            add_prediction(found, prediction, user, source)
        for generation in entry.get("generations", ()):
            add_readings(found, generation)
    return found


def _batch(row: Fields) -> str | None:
    return str(row["images"]) if row["images"] and row["endpoint"] != GENERATE else None


def _made(row: Fields) -> str | None:
    return str(row["images"]) if row["images"] and row["endpoint"] == GENERATE else None


def _version(row: Fields) -> str | None:
    if row["model_version"] is None:
        return None
    return version_name(row["model_name"], row["model_version"])


# The name under which a row of `requests` is counted in a dimension; None where it is not.
TRAFFIC: dict[str, Callable[[Fields], str | None]] = {
    "endpoint": lambda row: row["endpoint"],
    "user": lambda row: row["user_name"] or "",
    "source": lambda row: row["source"] or "",
    "version": _version,
    "client": lambda row: row["client"] or "",
    "batch": _batch,
    "made": _made,
}
# The same of `predictions`, from the row and its request's user and source.
DIAGNOSES: dict[str, Callable[[Fields, str | None, str | None], str]] = {
    "class": lambda row, user, source: row["model_name"] or "",
    "class_user": lambda row, user, source: user or "",
    "class_source": lambda row, user, source: source or "",
}
DIMENSIONS = (*TRAFFIC, *DIAGNOSES, READING)


def add_request(found: Tallies, row: Fields) -> None:
    """Count a row of `requests`."""
    hour, number = hour_of(row["at_utc"]), latency_bin(row["latency_ms"])
    for dimension, name_of in TRAFFIC.items():
        name = name_of(row)
        if name is not None:
            found[dimension, hour, name, None, None].add_request(row, number)


def add_prediction(found: Tallies, row: Fields, user: str | None, source: str | None) -> None:
    """Count a row of `predictions`, if it is a diagnosis."""
    if not is_diagnosis(row):
        return
    hour, key = hour_of(row["at_utc"]), (row["class_name"], row["model_version"])
    for dimension, name_of in DIAGNOSES.items():
        found[dimension, hour, name_of(row, user, source), *key].add_answer(row)


def add_readings(found: Tallies, row: Fields) -> None:
    """Count what was read in the pictures of a row of `generations`."""
    hour, name = hour_of(row["at_utc"]), row["reader_name"] or ""
    for reading in read_classes(row["read_classes"]):
        key: Key = (READING, hour, name, reading.class_name, row["reader_version"])
        found[key].add_reading(reading)


def is_diagnosis(row: Fields) -> bool:
    """Whether a row of `predictions` is one: told to a caller, and no explanation. Its request's
    `endpoint` may be among the fields: a process of before `0008` marks no explanation.
    """
    return was_told(row) and not row["explanation"] and row.get("endpoint") != EXPLAIN


def was_told(row: Fields) -> bool:
    """Whether a row of `predictions` is what a caller was told of an image."""
    return row["class_name"] is not None and row["lane"] != SHADOW


def version_name(model: str | None, version: int) -> str:
    """A member of the dimension `version`."""
    return f"{model or ''} {version}"[:200]


def hour_of(moment: datetime) -> datetime:
    """The hour it lies in; naive, in UTC."""
    return moment.replace(minute=0, second=0, microsecond=0)


def part_of(found: Tallies, settled: str = "") -> list[Row]:
    """Rows of one new part. settled: SETTLED_HOURS or SETTLED_DAYS, of what is."""
    part = secrets.randbits(62)
    return [
        {
            **dict(zip(_KEY, key, strict=True)),
            "dimension": key[0] + settled,
            "part": part,
            "number": number,
            **{name: getattr(counted, name) for name in SUMS},
            "histogram": encode(counted.histogram),
        }
        for number, (key, counted) in enumerate(found.items())
    ]


def settled_parts(found: Tallies) -> list[Row]:
    """Rows of counts by the hour, settled: two new parts, of the hours and of their days."""
    days: Tallies = defaultdict(Tally)
    for (dimension, hour, *others), counted in found.items():
        days[dimension, hour.replace(hour=0), *others].add(counted)  # type: ignore[index]
    return [*part_of(found, SETTLED_HOURS), *part_of(days, SETTLED_DAYS)]


def summed(rows: Iterable[Fields]) -> Tallies:
    """The counts in rows of `hourly`."""
    found: Tallies = defaultdict(Tally)
    texts: dict[Key, list[str]] = defaultdict(list)
    for row in rows:
        key: Key = tuple(row[name] for name in _KEY)  # type: ignore[assignment]
        counted = found[key]
        for name in SUMS:
            setattr(counted, name, getattr(counted, name) + row[name])
        texts[key].append(row["histogram"])
    for key, counted in found.items():
        sums = decode(texts[key])
        counted.histogram.update({int(number): int(sums[number]) for number in sums.nonzero()[0]})
    return found
