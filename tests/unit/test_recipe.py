"""What is left open is decided, recorded, and the same when it is given again."""

import pytest

from leafgate.errors import UserError
from tests.backbones import TINY, add_tiny_backbone
from training.classifier.backbones import LoadedBackbone
from training.classifier.config import ClassifierConfig
from training.classifier.recipe import recipe
from training.classifier.views import at_strength

PRETRAINED = LoadedBackbone(None, "imagenet", "", "efficientnet_lite0")
RANDOM = LoadedBackbone(None, "none", "", TINY)


@pytest.fixture(autouse=True, scope="module")
def tiny() -> None:
    add_tiny_backbone()


@pytest.mark.parametrize("backbone", [PRETRAINED, RANDOM])
def test_a_recipe_that_is_given_again_stays_as_it_is(backbone: LoadedBackbone) -> None:
    decided = recipe(ClassifierConfig(), backbone, images=500)
    assert None not in decided.model_dump().values()
    assert decided.backbone == backbone.name
    assert recipe(ClassifierConfig(**decided.model_dump()), backbone, 500) == decided


def test_views_of_pretrained_weights_are_half_as_strong_and_never_mixed() -> None:
    plain = ClassifierConfig()
    pretrained, scratch = (at_strength(recipe(plain, b, 500)) for b in (PRETRAINED, RANDOM))
    assert (pretrained.zoom, scratch.zoom) == (plain.zoom / 2, plain.zoom)
    assert pretrained.sharpness == scratch.sharpness == plain.sharpness
    assert (pretrained.mixup, pretrained.cutmix) == (0, 0)
    assert scratch.mixup and scratch.cutmix


def test_what_the_user_gives_stays() -> None:
    given = ClassifierConfig(mixup=0.3, view_strength=0.9, unfrozen_layers=3, stage2_epochs=1)
    decided = recipe(given, PRETRAINED, 500)
    assert (decided.mixup, decided.view_strength) == (0.3, 0.9)
    assert (decided.unfrozen_layers, decided.stage2_epochs) == (3, 1)


@pytest.mark.parametrize(("images", "epochs"), [(10, 40), (640, 30), (2038, 20), (100_000, 20)])
def test_fewer_images_get_more_epochs_within_bounds(images: int, epochs: int) -> None:
    assert recipe(ClassifierConfig(), PRETRAINED, images).stage2_epochs == epochs


@pytest.mark.parametrize("setting", [{"hidden_units": 8}, {"stage1_views": 0}])
def test_a_head_that_nothing_would_train_is_refused(setting: dict[str, int]) -> None:
    config = ClassifierConfig(stage1_epochs=0, stage2_epochs=0, **setting)
    with pytest.raises(UserError, match="leaves a linear model alone") as raised:
        recipe(config, PRETRAINED, 500)
    assert "hidden_units=0" in raised.value.fix
    assert recipe(config, RANDOM, 500), "from scratch there is another stage"
