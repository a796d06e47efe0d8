"""Making a logged answer again: from its receipt, the stored model and the same input.

The row of a request names the version, the digest of its files, the engine's form, and the hash of
the image, or the seed. So anybody with the image can show that the service really said so, and
would say so again.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from leafgate.class_names import same_class
from leafgate.errors import UserError
from leafgate.images import decode
from leafgate.settings import Settings
from registry import (
    DIGEST_TAG,
    TTA_VIEWS,
    Classifier,
    EngineChoice,
    Generator,
    ModelStore,
    ModelVersion,
)
from sql import GenerationRecord, PredictionRecord, find_answer, migrate, open_database

# A batch of another size, or another processor, may round the last bits otherwise.
CONFIDENCE_APART = {"openvino-fp32": 1e-4, "openvino-bf16": 0.02, "openvino-int8": 0.01}
OTHERWISE_APART = 1e-3
SCORE_APART = 0.02  # of the outlier score, relative


Answer = PredictionRecord | GenerationRecord


@dataclass(frozen=True)
class Compared:
    """One figure of an answer: as it was logged, and made again."""

    name: str
    logged: str
    again: str
    same: bool


@dataclass(frozen=True)
class Replay:
    """What a request was answered by, and how the answer compares with the one made now."""

    record: Answer
    figures: tuple[Compared, ...]

    @property
    def same(self) -> bool:
        """Whether every figure is the same, within what rounding explains."""
        return all(figure.same for figure in self.figures)


def replay(settings: Settings, request_id: str, image: Path | None = None) -> Replay:
    """Answer the request again.

    image: the file that was sent; else the copy that the service kept, if it keeps any. Raises
    UserError where the request, its image or its model cannot be had, or are not the same.
    """
    database = open_database(settings.database)
    migrate(database)
    record = find_answer(database, request_id)
    if record is None:
        raise UserError(
            f"no request {request_id!r} in the log",
            "take the id from the answer's X-Request-ID; the log may lag by seconds",
            code="no_such_request",
        )
    if isinstance(record, GenerationRecord):
        if record.output_sha256 is not None:
            return Replay(record, _generation(settings, record))
        raise _nothing_to_replay(f"request {request_id} was cut off before it")
    if isinstance(record, PredictionRecord) and record.class_name is not None:
        return Replay(record, _diagnosis(settings, record, image))
    told = f"status {record.status}" + (f", {record.error_code}" if record.error_code else "")
    raise _nothing_to_replay(f"request {request_id} ({told})")


def _nothing_to_replay(what: str) -> UserError:
    return UserError(
        f"{what} had no answer of a model",
        "only answers of /predict, /explain and /generate can be made again; each image of "
        "/predict/batch has an id of its own",
        code="nothing_to_replay",
    )


def _diagnosis(
    settings: Settings, record: PredictionRecord, image: Path | None
) -> tuple[Compared, ...]:
    data = _image(settings, record, image)
    classifier = Classifier.load(_files(settings, record), _engine(record))
    pixels = decode(data, wanted_size=classifier.description.image_size)
    (found,) = classifier.predict([pixels], TTA_VIEWS if record.tta else None)
    logged, apart = record.confidence or 0.0, CONFIDENCE_APART.get(_engine(record), OTHERWISE_APART)
    return (
        Compared(
            "class",
            str(record.class_name),
            found.class_name,
            same_class(record.class_name, found.class_name),
        ),
        Compared(
            "confidence",
            f"{logged:.6f}",
            f"{found.confidence:.6f}",
            abs(logged - found.confidence) <= apart,
        ),
        _exactly("unknown", record.unknown, found.unknown),
        _score(record.unknown_score, found.unknown_score),
    )


def _generation(settings: Settings, record: GenerationRecord) -> tuple[Compared, ...]:
    generator = Generator.load(_files(settings, record), _engine(record))
    total = hashlib.sha256()
    asked, seed = record.asked or 0, record.seed or 0
    if record.to_seed is None:
        pieces = generator.drawn(asked, seed, class_name=record.class_name)
    else:
        pieces = generator.between(asked, seed, record.to_seed, record.class_name)
    for piece in pieces:
        total.update(np.ascontiguousarray(piece.images).data)
    return (_exactly("SHA-256 of the pixels", record.output_sha256, total.hexdigest()),)


def _image(settings: Settings, record: PredictionRecord, image: Path | None) -> bytes:
    wanted = record.sha256 or ""
    file = image or settings.upload_file(wanted)
    try:
        data = file.read_bytes()
    except OSError as error:
        raise UserError(
            f"{file} cannot be read ({error.strerror})",
            "give the file that was sent as --image; the service keeps copies only with "
            "LEAFGATE_KEEP_UPLOADS=true",
            code="no_image",
        ) from None
    found = hashlib.sha256(data).hexdigest()
    if found != wanted:
        raise UserError(
            f"{file} is another image: its SHA-256 is {found[:16]}…, the request's {wanted[:16]}…",
            "give the very file that was sent, not one saved anew",
            code="another_image",
        )
    return data


def _files(settings: Settings, record: Answer) -> Path:
    """The stored model that answered: by its digest, wherever its aliases are by now."""
    name, number = record.model_name or "", record.model_version or 0
    digest = record.artifact_digest or ""
    store = ModelStore(settings)
    if (settings.models_dir / digest).is_dir():
        return store.folder(ModelVersion(name, number, "", (), {DIGEST_TAG: digest}, 0))
    version = store.get(name, number)
    if version.tags.get(DIGEST_TAG) != digest:
        raise UserError(
            f"{version} has other files than those that answered",
            "they are gone: what was served then cannot be made again",
            code="other_files",
        )
    return store.folder(version)


def _engine(record: Answer) -> EngineChoice:
    return record.engine or "auto"  # type: ignore[return-value]


def _exactly(name: str, logged: object, again: object) -> Compared:
    return Compared(name, str(logged), str(again), logged == again)


def _score(logged: float | None, again: float | None) -> Compared:
    if logged is None or again is None:
        return _exactly("unknown score", logged, again)
    same = abs(logged - again) <= SCORE_APART * max(abs(logged), 1e-9)
    return Compared("unknown score", f"{logged:.4f}", f"{again:.4f}", same)
