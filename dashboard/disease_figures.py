"""What the Diseases page says of a span, asked of the log once."""

from collections import defaultdict
from dataclasses import dataclass, replace

import pandas as pd

from dashboard.figures import Log
from dashboard.names import readable
from dashboard.over_time import moment
from dashboard.plain_text import plain
from sql import Span, analytics
from sql.analytics import ClassCount, ClassVolume, Confidences, Only, Unknowns

OTHER = "other"
MOST_SERIES = (
    7  # classes with a colour of their own; the rest are one series, so that sums are right
)


@dataclass(frozen=True)
class DiseaseFigures:
    """What the model answered. counts: most frequent first; volume: of each class and bucket."""

    span: Span
    counts: tuple[ClassCount, ...]
    volume: tuple[ClassVolume, ...]
    unknowns: tuple[Unknowns, ...]
    confidences: Confidences

    @property
    def leaves(self) -> int:
        """All answers."""
        return sum(each.count for each in self.counts)

    @property
    def unknown(self) -> int:
        """How many of them said that the image is none of the classes."""
        return sum(each.unknown for each in self.counts)


def read_figures(
    log: Log, span: Span, only: Only, counts: tuple[ClassCount, ...]
) -> DiseaseFigures:
    """counts: `frequency` of the same, of every class. Raises UserError where the log is away."""
    kept = tuple(each for each in counts if only.class_name in (None, each.class_name))
    return DiseaseFigures(
        span,
        kept,
        analytics.diseases_over_time(log, span, only),
        analytics.unknown_over_time(log, span, only),
        analytics.confidence_distribution(log, span, only),
    )


def frequency(log: Log, span: Span, only: Only) -> tuple[ClassCount, ...]:
    """How often each class was answered, whatever class `only` names, most frequent first."""
    return analytics.disease_frequency(log, span, replace(only, class_name=None))


def series(found: DiseaseFigures) -> dict[str, str]:
    """The name of the series over time that each class is counted in, most frequent first."""
    names = [each.class_name for each in found.counts]
    own = names if len(names) <= MOST_SERIES + 1 else names[:MOST_SERIES]
    return {name: readable(name) if name in own else OTHER for name in names}


def over_time_frame(found: DiseaseFigures) -> pd.DataFrame:
    """Leaves of each bucket and series: columns at, class, leaves. Every leaf is in one of them."""
    names = series(found)
    sums: dict[tuple[object, str], int] = defaultdict(int)
    for row in found.volume:
        sums[row.at, names.get(row.class_name, OTHER)] += row.count
    rows = [(at, name, count) for (at, name), count in sums.items()]
    return pd.DataFrame(rows, columns=["at", "class", "leaves"])


def frequency_table(found: DiseaseFigures) -> pd.DataFrame:
    """A row for each class, most frequent first."""
    return pd.DataFrame(
        {
            "class": [plain(readable(each.class_name)) for each in found.counts],
            "leaves": [f"{each.count:,}" for each in found.counts],
            "share": [f"{each.count / found.leaves:.1%}" for each in found.counts],
            "told as unknown": [f"{each.unknown:,}" for each in found.counts],
            "mean confidence": [f"{each.mean_confidence:.1%}" for each in found.counts],
        }
    )


def over_time_table(found: DiseaseFigures) -> pd.DataFrame:
    """A row for each bucket with answers: how many, how many unknown, and of each series."""
    frame = over_time_frame(found)
    wide = frame.pivot_table(index="at", columns="class", values="leaves", aggfunc="sum")
    names = list(dict.fromkeys(series(found).values()))
    rows = []
    for each in found.unknowns:
        of_classes = {
            plain(name): f"{wide[name].get(each.at, 0) or 0:,.0f}".replace("nan", "0")
            for name in names
            if name in wide
        }
        rows.append(
            {
                "time (UTC)": moment(each.at),
                "leaves": f"{each.answers:,}",
                "told as unknown": f"{each.unknown:,}",
                **of_classes,
            }
        )
    return pd.DataFrame(rows)
