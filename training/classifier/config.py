"""Every choice of a classifier run."""

from typing import Literal

from pydantic import Field

from training.config import ON_CONFLICT, RESPLIT, JobConfig, OnConflict

Imbalance = Literal["none", "balanced_sampling", "class_weights", "logit_adjustment"]
STAGE2_EPOCHS = 20  # where there are images enough
Precision = Literal["auto", "float32", "bfloat16", "float16"]


class ClassifierConfig(JobConfig):
    """Defaults are the two-stage recipe for ImageNet weights; `scratch_*` is used without them.

    None (null in YAML): `training.classifier.recipe` decides, and the run records what it decided.
    """

    backbone: str = Field(
        "resnet50",
        description="network below the head: resnet50, resnet18, resnet152, efficientnetv2b0, "
        "mobilenetv3small, efficientnet_lite0, _lite1, _lite2; where it is not named and the "
        "weights of resnet50 cannot be had, efficientnet_lite0, whose weights are installed",
    )
    weights: str = Field(
        "auto",
        description="imagenet, none, a .weights.h5/.h5 file, or auto: imagenet if it can be had",
    )
    image_size: int = Field(224, ge=32, le=1024, description="pixels, square")
    batch_size: int = Field(32, ge=1, description="of the two stages")
    hidden_units: int = Field(
        0, ge=0, description="hidden layer of the head on pretrained features; 0: none"
    )
    dropout: float = Field(0.2, ge=0, lt=1, description="in that head")
    stage1_epochs: int = Field(20, ge=0, description="at most; the backbone is frozen")
    stage1_views: int = Field(
        8,
        ge=0,
        description="views of each image whose features are computed once, for both stages: as it "
        "is, the others augmented; 0: new views in every epoch, which takes several times longer",
    )
    stage1_learning_rate: float = Field(1e-3, gt=0)
    stage2_epochs: int | None = Field(
        None, ge=0, description="the last layers are tuned; null: 20, up to 40 for few images"
    )
    stage2_learning_rate: float | None = Field(
        None, gt=0, description="peak of warm-up and cosine; null: what suits the backbone"
    )
    stage2_weight_decay: float = Field(0.05, ge=0)
    unfrozen_layers: int | None = Field(
        None, ge=0, description="backbone layers tuned in stage 2; null: what suits the backbone"
    )
    scratch_epochs: int = Field(72, ge=1, description="used without pretrained weights")
    scratch_small_epochs: float = Field(
        0.7, ge=0, lt=1, description="share of them on smaller pictures, which is quicker"
    )
    scratch_small_size: float = Field(0.67, gt=0, le=1, description="of image_size")
    scratch_batch_size: int = Field(64, ge=1)
    scratch_learning_rate: float = Field(1e-3, gt=0, description="peak of warm-up and cosine")
    scratch_weight_decay: float = Field(0.05, ge=0)
    scratch_momentum: float = Field(0.9, gt=0, lt=1, description="of batch normalisation")
    scratch_dropout: float = Field(0.2, ge=0, lt=1, description="before the last layer")
    patience: int = Field(10, ge=1, description="epochs without progress before stage 1 ends")
    plateau_factor: float = Field(0.3, gt=0, lt=1, description="learning rate cut on a plateau")
    plateau_patience: int = Field(4, ge=1)
    label_smoothing: float = Field(0.1, ge=0, lt=1)
    mixup: float | None = Field(
        None,
        ge=0,
        le=1,
        description="share of images blended with another; null: 0.15 from scratch, else 0",
    )
    cutmix: float | None = Field(
        None,
        ge=0,
        le=1,
        description="share of images pasted into another; null: 0.35 from scratch, else 0",
    )
    imbalance: Imbalance = Field(
        "none", description="none, balanced_sampling, class_weights or logit_adjustment"
    )
    view_strength: float | None = Field(
        None,
        ge=0,
        le=1,
        description="factor of zoom to white_balance; null: 1 from scratch, else 0.5",
    )
    flip: bool = Field(True, description="mirror left-right and upside down")
    rotation: float = Field(0.5, ge=0, le=1, description="share of a full turn, either way")
    zoom: float = Field(0.3, ge=0, lt=1, description="about so much larger or smaller")
    stretch: float = Field(0.15, ge=0, lt=1, description="of width against height")
    translation: float = Field(0.15, ge=0, lt=1, description="share of the picture")
    contrast: float = Field(0.3, ge=0, lt=1)
    brightness: float = Field(0.3, ge=0, lt=1)
    saturation: float = Field(0.3, ge=0, lt=1)
    white_balance: float = Field(0.1, ge=0, lt=1, description="each channel by itself")
    sharpness: float = Field(
        0.8, ge=0, le=1, description="share of fine detail taken away, or half as much added"
    )
    noise: float = Field(8.0, ge=0, description="grey levels, at most; most images get little")
    precision: Precision = Field(
        "auto", description="float16 on a GPU, bfloat16 on a processor that has it, else float32"
    )
    cache_gib: float = Field(
        8.0,
        ge=0,
        description="memory for decoded training images, and as much again for feature maps",
    )
    test_time_views: Literal[1, 8] = Field(
        1, description="8: the stored model averages the eight positions of the square"
    )
    known_share: float = Field(
        0.98, gt=0.5, lt=1, description="of validation images that are to count as known"
    )
    data_report: bool = Field(True, description="look at the data first, and log the report")
    seed: int = Field(0, ge=0, le=2**31 - 1, description="of weights, shuffling and augmentation")
    ratios: str = Field("70/15/15", description="train/validation/test, where no manifest is given")
    split_seed: int = Field(0, ge=0)
    conflicts: OnConflict = Field("exclude", description=ON_CONFLICT)
    resplit: bool = Field(False, description=RESPLIT)
