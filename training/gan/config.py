"""What can be set about the training of a generator. Needs no TensorFlow to read."""

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from leafgate.class_names import class_name
from leafgate.errors import UserError
from leafgate.manifest import Manifest
from registry import MAX_SEED
from training.config import ON_CONFLICT, RESPLIT, JobConfig, OnConflict
from training.gan.families import Family, Shape, find_family

LossName = Literal["cross_entropy", "hinge", "wasserstein"]
# As `registry.features.FeatureChoice`, which to import takes longer than to read a configuration.
Features = Literal["auto", "inception", "lite0", "classifier", "pixels"]
Change = Literal["colour", "translation", "cutout"]
CHANGES: tuple[Change, ...] = ("colour", "translation", "cutout")
MOST_CHANNELS = 4


class GanConfig(JobConfig):
    """Every setting of `leafgate train generator`.

    The defaults are those of the DCGAN paper. A family's recipe replaces some of them before what
    is given here; `training.gan.families` has the table.
    """

    family: str = Field("dcgan", description="the architecture: one of the families above")
    image_size: int = Field(0, ge=0, description="pixels, square; 0: the family's usual size")
    channels: int = Field(
        0, ge=0, le=MOST_CHANNELS, description="1 grey, 3 RGB, 2 and 4 with alpha; 0: the family's"
    )
    epochs: int = Field(50, gt=0, description="passes over the training images")
    minutes: float = Field(0, ge=0, description="stop after so long a training; 0: no limit")
    batch_size: int = Field(64, gt=0, description="images a step")
    loss: LossName = Field("cross_entropy", description="cross_entropy, hinge or wasserstein")
    learning_rate: float = Field(2e-4, gt=0, description="of Adam, for both networks")
    discriminator_learning_rate: float = Field(
        0, ge=0, description="for the discriminator alone; 0: the same"
    )
    beta_1: float = Field(0.5, ge=0, lt=1, description="of Adam")
    beta_2: float = Field(0.999, ge=0, lt=1, description="of Adam")
    real_label: float = Field(
        0.9,
        gt=0,
        le=1,
        description="what cross_entropy labels a real image; below 1 smooths one side",
    )
    discriminator_steps: int = Field(
        1, gt=0, description="updates of the discriminator for one of the generator"
    )
    gradient_penalty: float = Field(0, ge=0, description="weight of Gulrajani's penalty; 0: none")
    augment: tuple[Change, ...] = Field(
        (),
        description="what the discriminator sees changed: colour,translation,cutout; empty: none",
    )
    ema: float = Field(
        0, ge=0, lt=1, description="decay of the averaged generator that is stored; 0: the last one"
    )
    balanced: bool = Field(False, description="as many images of each class, rare ones repeated")
    precision: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto",
        description="float16 on a GPU, bfloat16 on a processor that has it, else float32",
    )
    xla: Literal["auto", "on", "off"] = Field(
        "auto", description="compile with XLA; auto: on a GPU, since on a CPU it is slower"
    )
    seed: int = Field(0, ge=0, le=MAX_SEED, description="of weights, order and latents")
    checkpoint_every: int = Field(5, gt=0, description="epochs between checkpoints")
    sample_every: int = Field(5, gt=0, description="epochs between sample pictures")
    evaluate_every: int = Field(
        5, gt=0, description="epochs between looks at the validation images; the best is stored"
    )
    evaluate_samples: int = Field(512, ge=16, description="pictures drawn for such a look")
    test_samples: int = Field(2048, ge=16, description="pictures drawn for the figures at the end")
    features: Features = Field(
        "auto",
        description="what the figures are computed with: inception, lite0, classifier or pixels; "
        "auto: the first of them that can be had",
    )
    epoch_features: Features = Field(
        "auto",
        description="what chooses the epoch to store; auto: other features than the figures' own",
    )
    saturated_epochs: int = Field(
        10, gt=0, description="epochs with an all-knowing discriminator that end the run"
    )
    collapsed_looks: int = Field(3, gt=0, description="looks without diversity that end the run")
    cache_gib: float = Field(8.0, ge=0, description="decoded training images kept in memory")
    classes: tuple[str, ...] = Field(
        (), description="learn from these alone, a YAML list or a,b; empty: all"
    )
    ratios: str = Field("70/15/15", description="train/validation/test, percent")
    split_seed: int = Field(0, ge=0, description="of the split")
    conflicts: OnConflict = Field("exclude", description=ON_CONFLICT)
    resplit: bool = Field(False, description=RESPLIT)

    @model_validator(mode="before")
    @classmethod
    def _with_the_familys_recipe(cls, values: Any) -> Any:  # noqa: ANN401 - what was given
        if not isinstance(values, dict):
            return values
        family = find_family(str(values.get("family", "dcgan")))
        filled = {**family.recipe, **values}
        filled["image_size"] = filled.get("image_size") or family.sizes[0]
        filled["channels"] = filled.get("channels") or family.channels
        return filled

    @field_validator("classes", "augment", mode="before")
    @classmethod
    def _one_is_a_list_of_one(cls, value: object, info: Any) -> object:  # noqa: ANN401 - pydantic's
        if not isinstance(value, str):
            return value
        parts = value.split(",") if info.field_name == "augment" else [value]
        return tuple(part.strip() for part in parts) if value else ()

    @field_validator("classes")
    @classmethod
    def _in_one_spelling(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(class_name, names))

    @model_validator(mode="after")
    def _size_is_one_of_the_familys(self) -> "GanConfig":
        family = find_family(self.family)
        if self.image_size not in family.sizes:
            raise UserError(
                f"image_size={self.image_size} is no size of the family {self.family!r}",
                f"use one of {', '.join(map(str, family.sizes))}, or another family",
                code="unknown_size",
            )
        return self

    @property
    def architecture(self) -> Family:
        """The family's entry in the table."""
        return find_family(self.family)

    def shape(self, classes: int) -> Shape:
        """Of both networks. classes: how many are learnt from."""
        family = self.architecture
        asked = classes if family.conditional else 0
        return Shape(self.image_size, family.latent_size, self.channels, asked)


def chosen_classes(config: GanConfig, manifest: Manifest) -> tuple[str, ...]:
    """The classes to learn from, sorted. Raises UserError that lists what there is.

    A name may hold commas (PlantVillage's `Pepper,_bell___healthy` does), so it is cut at them
    only where the whole is no class.
    """
    known = manifest.classes
    named: set[str] = set()
    for name in config.classes:
        named.update([name] if name in known else map(class_name, name.split(",")))
    unknown = sorted(named.difference(known))
    if unknown:
        raise UserError(
            f"no class {', '.join(map(repr, unknown))} in {manifest.root}",
            f"the classes are: {', '.join(known)}",
            code="unknown_class",
        )
    return tuple(sorted(named)) or known


def of_classes(manifest: Manifest, classes: tuple[str, ...]) -> Manifest:
    """The manifest's rows of `classes` alone. Raises UserError where none is to be learnt from."""
    rows = tuple(row for row in manifest.rows if row.class_name in classes)
    chosen = Manifest(manifest.root, rows)
    if not chosen.side("train"):
        raise UserError(
            f"no training image of {', '.join(classes)} in {manifest.root}",
            "choose other classes, or another split",
        )
    return chosen
