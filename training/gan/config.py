"""What can be set about the training of a generator. Needs no TensorFlow to read."""

from pydantic import Field, field_validator

from leafgate.errors import UserError
from leafgate.manifest import Manifest, ManifestRow
from registry import MAX_SEED
from training.config import JobConfig


class GanConfig(JobConfig):
    """Every setting of `leafgate train generator`; the optimiser's are those of the DCGAN paper."""

    family: str = Field("dcgan", description="the architecture")
    epochs: int = Field(50, gt=0, description="passes over the training images")
    batch_size: int = Field(64, gt=0, description="images a step")
    learning_rate: float = Field(2e-4, gt=0, description="of Adam, for both networks")
    beta_1: float = Field(0.5, ge=0, lt=1, description="of Adam")
    beta_2: float = Field(0.999, ge=0, lt=1, description="of Adam")
    real_label: float = Field(
        0.9, gt=0, le=1, description="what a real image is labelled; below 1 smooths one side"
    )
    seed: int = Field(0, ge=0, le=MAX_SEED, description="of weights, order and latents")
    checkpoint_every: int = Field(5, gt=0, description="epochs between checkpoints")
    sample_every: int = Field(5, gt=0, description="epochs between sample pictures")
    classes: tuple[str, ...] = Field(
        (), description="learn from these alone, a YAML list or a,b; empty: all"
    )
    ratios: str = Field("70/15/15", description="train/validation/test, percent")
    split_seed: int = Field(0, ge=0, description="of the split")

    @field_validator("classes", mode="before")
    @classmethod
    def _one_class_is_a_list_of_one(cls, value: object) -> object:
        if isinstance(value, str):
            return (value,) if value else ()
        return value


def chosen_classes(config: GanConfig, manifest: Manifest) -> tuple[str, ...]:
    """The classes to learn from, sorted. Raises UserError that lists what there is.

    A name may hold commas (PlantVillage's `Pepper,_bell___healthy` does), so it is cut at them
    only where the whole is no class.
    """
    known = manifest.classes
    named: set[str] = set()
    for name in config.classes:
        named.update([name] if name in known else name.split(","))
    unknown = sorted(named.difference(known))
    if unknown:
        raise UserError(
            f"no class {', '.join(map(repr, unknown))} in {manifest.root}",
            f"the classes are: {', '.join(known)}",
            code="unknown_class",
        )
    return tuple(sorted(named)) or known


def training_rows(manifest: Manifest, classes: tuple[str, ...]) -> tuple[ManifestRow, ...]:
    """The training side's rows of `classes`; no generator ever sees the other sides."""
    rows = tuple(row for row in manifest.side("train") if row.class_name in classes)
    if not rows:
        raise UserError(
            f"no training image of {', '.join(classes)} in {manifest.root}",
            "choose other classes, or another split",
        )
    return rows
