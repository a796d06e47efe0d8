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
from schemathesis.core.failures import Failure
from schemathesis.openapi.checks import RejectedPositiveData

from leafgate.images import FORMATS

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

CLASSES = json.loads(os.environ.get(CLASSES_VARIABLE, "[]"))
schemathesis.openapi.format("class-of-the-model", st.sampled_from(CLASSES))

# Of a request that came just now: one that may be on its way to the log's database.
schemathesis.openapi.format("id-of-a-request", st.builds(lambda: str(uuid_utils.uuid7())))


@schemathesis.hook
def filter_case(context: schemathesis.HookContext, case: "schemathesis.Case[Any]") -> bool:
    """Leave out lists of files that hold a null or a number: in a form such a file is its digits.

    So a list that breaks the schema before it is sent keeps to it on the wire.
    """
    body = case.body
    files = body.get("files") if isinstance(body, Mapping) else None
    return not (
        isinstance(files, list) and any(not isinstance(file, bytes | str) for file in files)
    )


@schemathesis.hook
def before_call(
    context: schemathesis.HookContext, case: "schemathesis.Case[Any]", kwargs: dict[str, Any]
) -> None:
    """Move no model that there is; names are also taken from the answers of other requests."""
    if MOVES.fullmatch(case.operation.path):
        case.path_parameters["name"] = f"no-{case.path_parameters.get('name', '')}"


@schemathesis.hook
def filter_failure(
    context: schemathesis.HookContext,
    failure: Failure,
    case: "schemathesis.Case[Any]",
    response: schemathesis.Response,
) -> bool:
    """A class that an answer to /feedback named, which may be any, is rightly refused elsewhere."""
    refused = isinstance(failure, RejectedPositiveData)
    return not (refused and b'"unknown_class"' in response.content)
