"""Every choice of a classifier run."""

from pydantic import Field

from training.config import JobConfig


class ClassifierConfig(JobConfig):
    """Defaults are the two-stage recipe for ImageNet weights; `scratch_*` is used without them."""

    backbone: str = Field("resnet50", description="network below the head")
    weights: str = Field(
        "auto",
        description="imagenet, none, a .weights.h5/.h5 file, or auto: imagenet if it can be had",
    )
    image_size: int = Field(224, ge=32, le=1024, description="pixels, square")
    batch_size: int = Field(32, ge=1)
    hidden_units: int = Field(256, ge=1, description="width of the head's dense layer")
    dropout: float = Field(0.4, ge=0, lt=1)
    stage1_epochs: int = Field(20, ge=0, description="at most; the backbone is frozen")
    stage1_learning_rate: float = Field(1e-4, gt=0)
    stage2_epochs: int = Field(20, ge=0, description="at most; the last layers are tuned")
    stage2_learning_rate: float = Field(5e-5, gt=0)
    unfrozen_layers: int = Field(50, ge=0, description="backbone layers tuned in stage 2")
    scratch_epochs: int = Field(40, ge=1, description="at most; used without pretrained weights")
    scratch_learning_rate: float = Field(1e-3, gt=0, description="peak of warm-up and cosine")
    scratch_weight_decay: float = Field(1e-3, ge=0)
    scratch_momentum: float = Field(0.9, gt=0, lt=1, description="of batch normalisation")
    patience: int = Field(10, ge=1, description="epochs without progress before a stage ends")
    plateau_factor: float = Field(0.3, gt=0, lt=1, description="learning rate cut on a plateau")
    plateau_patience: int = Field(4, ge=1)
    flip: bool = Field(True, description="mirror left-right and upside down")
    rotation: float = Field(0.1, ge=0, le=1, description="share of a full turn")
    zoom: float = Field(0.15, ge=0, lt=1)
    translation: float = Field(0.1, ge=0, lt=1)
    contrast: float = Field(0.2, ge=0, lt=1)
    brightness: float = Field(0.15, ge=0, lt=1)
    seed: int = Field(0, ge=0, description="of weights, shuffling and augmentation")
    ratios: str = Field("70/15/15", description="train/validation/test, where no manifest is given")
    split_seed: int = Field(0, ge=0)
