"""Single requests of the log as tables: the latest, and one with all that is known of it."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from dashboard.names import readable
from dashboard.plain_text import plain
from sql.analytics import LoggedRequest, OneRequest
from sql.read_classes import read_classes


def latest_table(rows: Sequence[LoggedRequest]) -> pd.DataFrame:
    """A row for each request, in the order they come in; numbers as numbers, "" for none."""
    return pd.DataFrame(
        [
            {
                "time (UTC)": f"{row.at:%Y-%m-%d %H:%M:%S}",
                "endpoint": row.endpoint,
                "requests": row.request_count,
                "status": row.status,
                "ms": round(row.latency_ms, 1),
                "user": row.user_name or "",
                "client": row.client or "",
                "source": row.source or "",
                "images": row.images,
                "version": "" if row.model_version is None else f"v{row.model_version}",
                "error": row.error_code or "",
                "class": "" if row.class_name is None else readable(row.class_name),
                "confidence": "" if row.confidence is None else f"{row.confidence:.1%}",
                "id": row.id,
            }
            for row in rows
        ]
    )


def known_of(found: OneRequest) -> dict[str, pd.DataFrame]:
    """Everything logged of a request, by what it is; parts that it has none of are left out."""
    parts: dict[str, tuple[Any, ...]] = {
        "The request": (found.request,) if found.request else (),
        "Images": found.predictions,
        "Pictures made": (found.generation,) if found.generation else (),
        "Corrections": found.feedback,
    }
    return {name: _upright(records) for name, records in parts.items() if records}


def _upright(records: Sequence[Any]) -> pd.DataFrame:
    """A row for each field that any of them has, and a column for each record; as Markdown."""
    names = [name for name in vars(records[0]) if any(_has(each, name) for each in records)]
    columns = ["value"] if len(records) == 1 else [str(n) for n in range(1, len(records) + 1)]
    shown = {
        column: [plain(_told(name, getattr(record, name))) for name in names]
        for column, record in zip(columns, records, strict=True)
    }
    return pd.DataFrame({"field": [name.replace("_", " ") for name in names], **shown})


def _has(record: Any, name: str) -> bool:  # noqa: ANN401 - of any table
    value = getattr(record, name)
    return value is not None and (value or name != "explanation")


def _told(name: str, value: Any) -> str:  # noqa: ANN401 - of any column
    if name != "read_classes":
        return _text(value)
    return "; ".join(
        f"{readable(each.class_name) if each.class_name else 'other classes'} {each.pictures:,}"
        + (f" ({each.unknown:,} unknown)" if each.unknown else "")
        for each in read_classes(value)
    )


def _text(value: Any) -> str:  # noqa: ANN401 - of any column
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4f}".rstrip("0").rstrip(".")
    return f"{value:%Y-%m-%d %H:%M:%S.%f}"[:-3] if hasattr(value, "strftime") else str(value)
