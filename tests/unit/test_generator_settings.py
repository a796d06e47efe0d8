"""What can be set about a generator, and how an unfinished training is found again."""

from dataclasses import replace
from math import isnan
from pathlib import Path

import pytest

from leafgate.errors import UserError
from leafgate.manifest import Manifest, ManifestRow
from leafgate.settings import Settings
from training.config import read_config
from training.gan.config import GanConfig, chosen_classes, of_classes
from training.gan.families import FAMILIES, find_family
from training.gan.unfinished import Epoch, UnfinishedRun


def manifest_of(*class_names: str) -> Manifest:
    rows = [
        ManifestRow(f"{name}/{side}.png", name, side, f"{name}{side}", f"{name}{side}")
        for name in class_names
        for side in ("train", "validation", "test")
    ]
    return Manifest(Path("data"), tuple(sorted(rows)))


def test_an_unknown_family_is_named_with_the_known_ones() -> None:
    with pytest.raises(UserError, match="unknown generator family 'stylegan': use one of dcgan"):
        find_family("stylegan")


def test_the_default_family_is_known() -> None:
    assert GanConfig().family in FAMILIES


def test_an_unknown_class_is_named_with_the_known_ones() -> None:
    config = GanConfig(classes=("rust", "moth"))
    with pytest.raises(UserError, match=r"no class 'moth' in data: the classes are: rust, scab"):
        chosen_classes(config, manifest_of("rust", "scab"))


@pytest.mark.parametrize("value", ["b_c,a,d", "[a, 'b_c', d]"])
def test_classes_are_given_with_commas_or_as_a_list(value: str) -> None:
    config = read_config(GanConfig, None, [f"classes={value}"])
    assert chosen_classes(config, manifest_of("a", "b_c", "d", "e")) == ("a", "b_c", "d")


def test_a_class_with_a_comma_in_its_name_stays_whole() -> None:
    config = read_config(GanConfig, None, ["classes=Pepper,_bell"])
    assert chosen_classes(config, manifest_of("Pepper,_bell", "Potato")) == ("Pepper,_bell",)


def test_no_class_named_means_all() -> None:
    assert chosen_classes(GanConfig(), manifest_of("b", "a")) == ("a", "b")


def test_only_images_of_the_chosen_classes_are_used() -> None:
    chosen = of_classes(manifest_of("a", "b", "c"), ("a", "c"))
    assert [row.path for row in chosen.side("train")] == ["a/train.png", "c/train.png"]
    assert chosen.classes == ("a", "c")


def test_a_bad_setting_is_refused_by_name() -> None:
    with pytest.raises(UserError, match="epochs=0"):
        read_config(GanConfig, None, ["epochs=0"])
    with pytest.raises(UserError, match="known are: family, image_size, channels, epochs"):
        read_config(GanConfig, None, ["colour=red"])


def test_every_setting_says_what_it_does() -> None:
    assert all(field.description for field in GanConfig.model_fields.values())


def test_an_unfinished_training_is_found_by_the_same_job_even_for_more_epochs(
    tmp_path: Path,
) -> None:
    settings, data = Settings(var_dir=tmp_path), manifest_of("a")
    folder = UnfinishedRun.for_generator(settings, GanConfig(epochs=5), data).folder
    same = GanConfig(epochs=9, checkpoint_every=1)
    assert UnfinishedRun.for_generator(settings, same, data).folder == folder
    for other in (GanConfig(seed=1), GanConfig(classes=("a",))):
        assert UnfinishedRun.for_generator(settings, other, data).folder != folder
    assert UnfinishedRun.for_generator(settings, GanConfig(), manifest_of("b")).folder != folder
    elsewhere = settings.model_copy(update={"experiment": "other"})
    assert UnfinishedRun.for_generator(elsewhere, GanConfig(), data).folder != folder


def test_figures_survive_and_a_line_cut_short_is_left_out(tmp_path: Path) -> None:
    unfinished = UnfinishedRun(tmp_path / "run")
    unfinished.begin("abc")
    unfinished.forget_after(0)
    first = Epoch(1, 1.25, 0.5, 0.75, 0.25, 3.0, 2.0, 100.0, 1.5, 0.01, 0.5)
    for epoch in (1, 2, 3):
        unfinished.append(replace(first, epoch=epoch))
    with unfinished.epochs_file.open("a") as stream:
        stream.write("4,1.2")
    assert unfinished.run_id == "abc"
    assert [epoch.epoch for epoch in unfinished.epochs()] == [1, 2, 3]
    assert unfinished.epochs()[0] == first
    unfinished.forget_after(2)
    assert unfinished.epochs_file.read_text().splitlines()[0].startswith("epoch,d_loss,g_loss")
    assert [epoch.epoch for epoch in unfinished.epochs()] == [1, 2]


def test_beginning_again_forgets_what_was_there(tmp_path: Path) -> None:
    unfinished = UnfinishedRun(tmp_path / "run")
    unfinished.begin("old")
    unfinished.forget_after(0)
    unfinished.begin("new")
    assert unfinished.run_id == "new"
    assert not unfinished.epochs_file.exists()
    unfinished.remove()
    assert not unfinished.folder.exists()
    assert UnfinishedRun(unfinished.folder).run_id is None


def test_an_epoch_without_a_look_has_no_distance_before_and_after_a_kill(tmp_path: Path) -> None:
    unfinished = UnfinishedRun(tmp_path / "run")
    unfinished.begin("abc")
    unfinished.forget_after(0)
    unfinished.append(Epoch(1, 1.25, 0.5, 0.75, 0.25))
    (found,) = unfinished.epochs()
    assert isnan(found.distance)
    assert set(found.metrics) == {"d_loss", "g_loss", "d_real", "d_fake"}


def test_copies_are_looked_for_among_so_many_training_images_at_most(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from training.gan import finished

    monkeypatch.setattr(finished, "MOST_TRAINING", 2)
    fewer = finished.fewer_to_learn_from(manifest_of("a", "b", "c"))
    assert len(fewer.side("train")) == 2
    assert len(fewer.side("test")) == 3
    assert fewer.classes == ("a", "b", "c")
