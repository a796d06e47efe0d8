"""What /generate is asked, and what it answers as JSON; the manifest of a ZIP says the same."""

import base64
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic.config import JsonDict
from pydantic_core import PydanticKnownError

from registry import FEWEST_STEPS, MAX_SEED, MOST_STEPS, Prediction
from serving.answers import Ranked, UsedModel
from serving.generating import Piece, Series, Wanted

Format = Literal["json", "png", "zip"]
ClassName = Annotated[str, Field(json_schema_extra={"format": "class-of-the-model"})]
SEED_BOUNDS: JsonDict = {"minimum": 0, "maximum": MAX_SEED}


class GenerateAsk(BaseModel):
    """What is wanted. seed: the same one gives the same pictures; drawn where it is left out."""

    n: int = Field(
        16, description="number of images", examples=[16], json_schema_extra={"minimum": 1}
    )
    seed: int | None = Field(
        None, description=f"0 to {MAX_SEED}", examples=[7], json_schema_extra=SEED_BOUNDS
    )
    class_name: ClassName | None = Field(
        None,
        alias="class",
        description="of a conditional generator (see /models); all in turn where it is left out",
    )
    format: Format = Field("json", description="json (Base64), png (one grid) or zip (streamed)")
    to_seed: int | None = Field(
        None,
        description="n images, then "
        f"{FEWEST_STEPS} to {MOST_STEPS}, on the way from the first image of seed to the first of "
        "to_seed, all of one class: the one asked for, else that of these two",
        json_schema_extra=SEED_BOUNDS,
    )
    readings: bool = Field(
        False,
        description="have the classifier in production say what it sees in each image: json and "
        "zip alone; needs the scope predict too, and costs 2 n",
    )

    @property
    def wanted(self) -> Wanted:
        """What it comes to."""
        return Wanted(self.n, self.seed, self.class_name, self.to_seed, self.readings)


class GenerateBody(GenerateAsk):
    """The same as JSON, where a number is a number."""

    @field_validator("n", "seed", "to_seed", mode="before")
    @classmethod
    def _number(cls, value: object) -> object:
        if isinstance(value, bool | str):
            raise PydanticKnownError("int_type")
        return value

    @field_validator("readings", mode="before")
    @classmethod
    def _truth(cls, value: object) -> object:
        if not isinstance(value, bool):
            raise PydanticKnownError("bool_type")
        return value


class Reading(Ranked):
    """What the classifier sees in a picture that shows no leaf: an opinion, and no diagnosis."""

    unknown: bool = Field(description="unlike every training image: the class means nothing")

    @staticmethod
    def of(prediction: Prediction | None) -> "Reading | None":
        """None for none."""
        if prediction is None:
            return None
        return Reading(
            class_name=prediction.class_name,
            confidence=prediction.confidence,
            unknown=prediction.unknown,
        )


class GeneratedImage(BaseModel):
    """One picture. index: its place in the series of the seed, or on the way to the other one."""

    model_config = ConfigDict(populate_by_name=True)

    index: int
    class_name: str | None = Field(
        alias="class", description="null where not known", examples=["rust"]
    )
    png_base64: str
    reading: Reading | None = Field(
        None, description="null where nobody read it, or the classifier failed on it"
    )

    @staticmethod
    def all_of(piece: Piece) -> "list[GeneratedImage]":
        """The pictures of a piece."""
        told = zip(piece.indices, piece.class_names, piece.pngs(), piece.readings, strict=True)
        return [
            GeneratedImage(
                index=index,
                class_name=name,
                png_base64=base64.b64encode(png).decode(),
                reading=Reading.of(read),
            )
            for index, name, png, read in told
        ]


class GenerateAnswer(BaseModel):
    """The JSON form; with model, seed, to_seed, class and index any picture can be made again."""

    request_id: str
    model: UsedModel
    seed: int
    to_seed: int | None = Field(None, description="null: the first images of the seed")
    read_by: UsedModel | None = Field(None, description="null where nobody was asked to read them")
    synthetic: Literal[True] = True
    latency_ms: float = Field(
        description="waiting, making, reading and encoding, without the way here"
    )
    images: list[GeneratedImage]


def read_by(series: Series) -> UsedModel | None:
    """Which version of the classifier reads the series, if any does."""
    return None if series.reader is None else UsedModel.of(series.reader.live)
