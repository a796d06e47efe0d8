"""`model.json`: what must be known of a stored model before it runs."""

from dataclasses import MISSING, Field, asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from leafgate.class_names import class_names
from leafgate.errors import UserError
from leafgate.strict_json import dump_json, load_json

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    Description = TypeVar("Description", bound=DataclassInstance)

CLASS_LISTS, CLASS_COUNTS = {"labels", "classes"}, "reference_classes"  # of a description
DESCRIPTION_FILE = "model.json"


def write_description(description: "DataclassInstance", folder: Path) -> None:
    """Write the dataclass into the model's folder."""
    text = dump_json(asdict(description), indent=2)
    (folder / DESCRIPTION_FILE).write_text(text, encoding="utf-8")


def read_description(folder: Path, kind: "type[Description]") -> "Description":
    """Read it back; what an older LeafGate did not write takes its default.

    Raises UserError where it is missing, or of another kind of model.
    """
    file = folder / DESCRIPTION_FILE
    if not file.is_file():
        raise UserError(
            f"no {DESCRIPTION_FILE} in the stored model", "train it again", code="artifact_missing"
        )
    found = load_json(file.read_text(encoding="utf-8"))
    known = {item.name: _default(item) for item in fields(kind)}
    if found.get("kind") != known["kind"] or found.get("format") != known["format"]:
        raise UserError(
            f"the stored model is a {found.get('kind')!r} of format {found.get('format')}",
            f"expected a {known['kind']!r} of format {known['format']}; train it again if it is "
            "from another LeafGate",
            code="wrong_model_kind",
        )
    values = {name: found.get(name, default) for name, default in known.items()}
    _require_all(values)
    _normalise_classes(values)
    return kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})


def _normalise_classes(values: dict[str, Any]) -> None:
    """Names of classes in one spelling: an older LeafGate stored them as the folders had them."""
    for name in CLASS_LISTS & values.keys():
        values[name] = class_names(values[name])
    counts: dict[str, int] | None = values.get(CLASS_COUNTS)
    if counts:
        values[CLASS_COUNTS] = dict(zip(class_names(counts), counts.values(), strict=True))


def _default(item: Field[Any]) -> object:
    return item.default if item.default_factory is MISSING else item.default_factory()


def _require_all(values: dict[str, object]) -> None:
    missing = [name for name, value in values.items() if value is MISSING]
    if missing:
        raise UserError(
            f"{DESCRIPTION_FILE} of the stored model lacks {', '.join(missing)}",
            "train it again",
            code="wrong_model_kind",
        )
