"""What schemathesis cannot know of the service: images of each kind, the model's classes, ids."""

import io
import json
import os
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import schemathesis
import uuid_utils
from hypothesis import strategies as st
from PIL import Image

from leafgate.images import FORMATS
from registry import FEWEST_STEPS, MAX_SEED, MOST_STEPS
from serving.forms import MAX_FIELD_BYTES, SPARE_FIELDS

MOVES = re.compile(r"/models/\{name\}/(promote|rollback|hold|release)")
CLASSES_VARIABLE = "SCHEMA_CLASSES"  # JSON list: what may be asked of the generator


def _image(kind: str, size: int, seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (size, size, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


for _kind in FORMATS:
    schemathesis.openapi.media_type(
        f"image/{_kind.lower()}",
        st.builds(_image, st.just(_kind), st.integers(1, 64), st.integers(0, 2**32 - 1)),
    )

LONGEST_FIELD = MAX_FIELD_BYTES // 4  # characters, of four bytes each at most
CLASSES = json.loads(os.environ.get(CLASSES_VARIABLE, "[]"))
schemathesis.openapi.format("class-of-the-model", st.sampled_from(CLASSES))

# Of a request that came just now: one that may be on its way to the log's database.
schemathesis.openapi.format("id-of-a-request", st.builds(lambda: str(uuid_utils.uuid7())))


@schemathesis.hook
def filter_case(context: schemathesis.HookContext, case: "schemathesis.Case[Any]") -> bool:
    """Leave out what is not what it seems."""
    return not (
        _has_files_that_are_none(case)
        or _asks_for_a_class_of_another_answer(case)
        or _has_more_parts_than_a_form_may(case)
    )


def _has_more_parts_than_a_form_may(case: "schemathesis.Case[Any]") -> bool:
    """More fields than an endpoint needs, or long ones: of what a schema does not name it says
    nothing, and each entry of a list is a field of its own.
    """
    body = case.body
    if not isinstance(body, Mapping) or "form" not in (case.media_type or ""):
        return False
    values = [
        each
        for value in body.values()
        for each in (value if isinstance(value, list | tuple) else [value])
    ]
    fields = [value for value in values if not isinstance(value, bytes)]
    return len(fields) > SPARE_FIELDS or any(len(str(each)) > LONGEST_FIELD for each in fields)


def _has_files_that_are_none(case: "schemathesis.Case[Any]") -> bool:
    """A list of files that holds a null or a number: in a form such a file is its digits.

    So a list that breaks the schema before it is sent keeps to it on the wire.
    """
    body = case.body
    files = body.get("files") if isinstance(body, Mapping) else None
    return isinstance(files, list) and any(not isinstance(file, bytes | str) for file in files)


def _asks_for_a_class_of_another_answer(case: "schemathesis.Case[Any]") -> bool:
    """A class that was taken from the answer of /feedback, which takes classes that no model knows,
    for one that the schema allows here.
    """
    drawn = case.meta.semantic_draws if case.meta else ()
    elsewhere = case.path in ("/generate", "/explain")
    return elsewhere and any(
        draw.normalized_name == "class" and draw.value not in CLASSES for draw in drawn
    )


@schemathesis.hook
def map_case(
    context: schemathesis.HookContext, case: "schemathesis.Case[Any]"
) -> "schemathesis.Case[Any]":
    """Take apart what no schema of a query says of two values together: how many images lie on the
    way to another seed, and that a grid holds no readings. What breaks the schema goes on to.
    """
    for asked in (case.query, case.body):
        if isinstance(asked, dict) and case.path == "/generate":
            _take_apart(asked)
    return case


def _take_apart(asked: dict[str, Any]) -> None:
    n, to_seed = (_number(asked.get(name)) for name in ("n", "to_seed"))
    goes_there = n is None or FEWEST_STEPS <= n <= MOST_STEPS
    if not goes_there and to_seed is not None and 0 <= to_seed <= MAX_SEED:
        del asked["to_seed"]
    if str(asked.get("readings")).lower() == "true" and asked.get("format") == "png":
        asked["format"] = "zip"


def _number(value: object) -> float | None:
    """In a query it may be a text already, in a body 2.0."""
    try:
        return None if isinstance(value, bool) else float(str(value))
    except ValueError:
        return None


@schemathesis.hook
def before_call(
    context: schemathesis.HookContext, case: "schemathesis.Case[Any]", kwargs: dict[str, Any]
) -> None:
    """Move no model that there is; names are also taken from the answers of other requests."""
    if MOVES.fullmatch(case.operation.path):
        case.path_parameters["name"] = f"no-{case.path_parameters.get('name', '')}"
