"""What a classifier read in the pictures of one request, as it stands in `generations`.

JSON: [[class, pictures, unknown, sum of confidences], …], the most frequent class first. As many
classes as the column holds; those beyond are counted together, under the class null.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from leafgate.strict_json import dump_json, load_json
from sql.schema import generations

LENGTH: int = generations.c.read_classes.type.length  # type: ignore[attr-defined]
DECIMALS = 6  # of a sum of confidences


@dataclass(frozen=True)
class ReadClass:
    """Pictures that were read as one class. class_name: None for all that are not named; unknown:
    those of them that are unlike every training image.
    """

    class_name: str | None
    pictures: int
    unknown: int
    confidence_sum: float

    def and_also(self, other: "ReadClass") -> "ReadClass":
        """Both together, under this class."""
        return replace(
            self,
            pictures=self.pictures + other.pictures,
            unknown=self.unknown + other.unknown,
            confidence_sum=self.confidence_sum + other.confidence_sum,
        )


class Readings:
    """Counts what is read, picture by picture."""

    def __init__(self) -> None:
        self._classes: dict[str, ReadClass] = {}

    def add(self, class_name: str, confidence: float, unknown: bool) -> None:
        """Count a picture in."""
        one = ReadClass(class_name, 1, int(unknown), confidence)
        known = self._classes.get(class_name)
        self._classes[class_name] = one if known is None else known.and_also(one)

    def as_json(self) -> str | None:
        """As it is stored; None where nothing was read."""
        return as_json(self._classes.values())


def as_json(classes: Iterable[ReadClass]) -> str | None:
    """As many of the classes as the column holds, and the others together."""
    ranked = sorted(classes, key=lambda each: (-each.pictures, each.class_name or ""))
    if not ranked:
        return None
    for named in range(len(ranked), -1, -1):
        text = _text(_shortened(ranked, named))
        if len(text.encode("utf-16-le", "surrogatepass")) <= 2 * LENGTH:
            return text
    raise AssertionError("one line of numbers is shorter than the column")


def _shortened(ranked: list[ReadClass], named: int) -> list[ReadClass]:
    others = ranked[named:]
    if not others:
        return ranked
    together = ReadClass(None, 0, 0, 0.0)
    for each in others:
        together = together.and_also(each)
    return [*ranked[:named], together]


def _text(classes: Iterable[ReadClass]) -> str:
    rows = [
        [each.class_name, each.pictures, each.unknown, round(each.confidence_sum, DECIMALS)]
        for each in classes
    ]
    return dump_json(rows, separators=(",", ":"))


def read_classes(text: str | None) -> Iterator[ReadClass]:
    """What a stored text says; nothing for what is none, such as one that somebody changed."""
    try:
        rows = load_json(text or "[]")
        found = [
            ReadClass(name and str(name), int(pictures), int(unknown), float(sums or 0))
            for name, pictures, unknown, sums in rows
        ]
    except (ValueError, TypeError):
        return
    yield from found
