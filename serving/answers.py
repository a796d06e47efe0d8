"""What the API's answers share: which version answered, ranked classes, a diagnosis."""

from fastapi import Response
from pydantic import BaseModel, ConfigDict, Field

from registry import DIGEST_TAG, Prediction
from serving.live import LiveClassifier, LiveGenerator


def json_answer(answer: BaseModel, status: int = 200) -> Response:
    """The answer as it goes out; FastAPI would validate it once more."""
    return Response(answer.model_dump_json(by_alias=True), status, media_type="application/json")


class UsedModel(BaseModel):
    """Which version answered, with which files, on which engine: with it the answer can be made
    again.
    """

    name: str = Field(examples=["leaf-classifier"])
    version: int = Field(examples=[3])
    digest: str = Field(description="SHA-256 over the stored model's files")
    engine: str = Field(description="engine and form", examples=["openvino-int8"])

    @staticmethod
    def of(live: LiveClassifier | LiveGenerator) -> "UsedModel":
        """From a live version."""
        version = live.version
        return UsedModel(
            name=version.name,
            version=version.version,
            digest=version.tags.get(DIGEST_TAG, ""),
            engine=live.model.engine.name,
        )


class Ranked(BaseModel):
    """One class and its probability."""

    model_config = ConfigDict(populate_by_name=True)

    class_name: str = Field(alias="class", examples=["rust"])
    confidence: float = Field(ge=0, le=1)


class Diagnosis(Ranked):
    """The most probable class, up to five with their probabilities, and whether it is unknown."""

    top: list[Ranked]
    unknown: bool = Field(description="unlike every training image: the class means nothing")
    unknown_score: float | None = Field(
        description="distance from the training images; null: this model cannot tell",
        examples=[1.1],
    )
    input_sha256: str = Field(description="of the file's bytes")


def diagnosis_fields(prediction: Prediction, sha256: str) -> dict[str, object]:
    """The values of a Diagnosis."""
    return {
        "class_name": prediction.class_name,
        "confidence": prediction.confidence,
        "top": [Ranked(class_name=name, confidence=value) for name, value in prediction.top],
        "unknown": prediction.unknown,
        "unknown_score": prediction.unknown_score,
        "input_sha256": sha256,
    }
