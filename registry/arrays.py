"""Dataclasses of NumPy arrays, stored beside a network in float32."""

from dataclasses import MISSING, fields
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    Arrays = TypeVar("Arrays", bound=DataclassInstance)


def save_arrays(values: "DataclassInstance", file: Path) -> None:
    """Write every field."""
    arrays = {f.name: np.asarray(getattr(values, f.name), np.float32) for f in fields(values)}
    np.savez(file, **arrays)  # type: ignore[arg-type]


def load_arrays(kind: "type[Arrays]", file: Path) -> "Arrays":
    """Read them back; a field that a file of an older version lacks has its default."""
    with np.load(file) as stored:
        found = {
            field.name: stored[field.name]
            for field in fields(kind)
            if field.name in stored or field.default is MISSING
        }
    return kind(**found)
