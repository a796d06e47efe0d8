"""What a classifier's training remembers: all of it, as a whole, and for its own job alone."""

import json
from pathlib import Path

import numpy as np
import pytest

from leafgate.files import whole
from leafgate.settings import Settings
from training.classifier.memory import Position, Row, TrainingMemory
from training.unfinished import UnfinishedJob

CONFIG = {"backbone": "resnet18", "seed": 0, "rotation": 0.5}
FIRST: Row = {"epoch": 1, "stage": "stage 1: head", "val_loss": 1.25}
SECOND: Row = {"epoch": 2, "stage": "stage 1: head", "val_loss": 0.75}


@pytest.fixture
def memory(tmp_path: Path) -> TrainingMemory:
    """Of a job that has just begun."""
    begun = TrainingMemory(tmp_path / "job")
    begun.begin("run 1")
    return begun


def files(memory: TrainingMemory) -> set[str]:
    return {file.name for file in memory.folder.iterdir()}


def weights(value: float) -> list[np.ndarray]:
    return [np.full((3, 2), value, np.float32), np.array(7, np.int64), np.arange(4, dtype=np.int32)]


def unwritable() -> list[np.ndarray]:
    """The first array can be written; the second fails in the middle of the file."""
    return [np.ones(1000), np.array([lambda: None], object)]


def test_a_new_job_remembers_nothing(memory: TrainingMemory) -> None:
    assert TrainingMemory(Path("nowhere")).load() is None
    assert TrainingMemory(Path("nowhere")).run_id is None
    assert memory.load() is None
    assert memory.run_id == "run 1"


def test_what_was_saved_is_loaded_as_it_was(memory: TrainingMemory) -> None:
    position = Position(1, 2, 0.75, 1, 3, (FIRST, SECOND))
    memory.save(position, weights(0.1), [np.array(41, np.int64), np.float32(2.5)])
    found = TrainingMemory(memory.folder).load()
    assert found is not None
    assert found[0] == position
    for loaded, saved in zip(found[1], weights(0.1), strict=True):
        assert np.array_equal(loaded, saved)
        assert loaded.dtype == saved.dtype
    assert [float(value) for value in found[2]] == [41, 2.5]


def test_many_arrays_keep_their_order(memory: TrainingMemory) -> None:
    arrays = [np.array(i) for i in range(23)]
    memory.save(Position(), arrays, arrays[::-1])
    memory.save_best(arrays)
    found = memory.load()
    assert found is not None
    assert [int(v) for v in found[1]] == [int(v) for v in memory.load_best()] == list(range(23))
    assert [int(v) for v in found[2]] == list(range(22, -1, -1))


def test_a_position_before_the_first_epoch_and_between_stages_is_kept(
    memory: TrainingMemory,
) -> None:
    memory.save(Position(), weights(1), [])
    found = memory.load()
    assert found is not None
    assert found[0] == Position()  # whose best loss is infinite
    assert found[2] == []


def test_a_checkpoint_replaces_the_one_before(memory: TrainingMemory) -> None:
    for value in range(3):
        memory.save(Position(epoch=value), weights(value), [])
    found = memory.load()
    assert found is not None
    assert found[0].epoch == 2
    assert (found[1][0] == 2).all()
    assert files(memory) == {"run.json", "checkpoint.npz"}


def test_the_best_weights_are_kept_beside_the_latest(memory: TrainingMemory) -> None:
    memory.save_best(weights(0.5))
    memory.save(Position(epoch=3), weights(0.9), [])
    assert (memory.load_best()[0] == np.float32(0.5)).all()
    memory.save_best(weights(0.4))
    assert (memory.load_best()[0] == np.float32(0.4)).all()
    assert files(memory) == {"run.json", "checkpoint.npz", "best.npz"}


def test_a_save_that_fails_leaves_what_was_there(memory: TrainingMemory) -> None:
    memory.save(Position(epoch=1), weights(1), weights(2))
    memory.save_best(weights(3))
    with pytest.raises(Exception, match="pickle"):
        memory.save(Position(epoch=2), unwritable(), [])
    with pytest.raises(Exception, match="pickle"):
        memory.save_best(unwritable())
    found = memory.load()
    assert found is not None
    assert found[0].epoch == 1
    assert (found[1][0] == 1).all()
    assert (memory.load_best()[0] == 3).all()
    assert files(memory) == {"run.json", "checkpoint.npz", "best.npz"}
    memory.save(Position(epoch=2), weights(4), [])
    memory.save_best(weights(5))
    assert files(memory) == {"run.json", "checkpoint.npz", "best.npz"}


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    with whole(file) as beside:
        beside.write_text("before")
    with pytest.raises(ValueError, match="midway"), whole(file) as beside:
        beside.write_text("half")
        raise ValueError("midway")
    assert file.read_text() == "before"
    with whole(file) as beside:
        beside.write_text("after")
    assert [item.name for item in tmp_path.iterdir()] == ["run.json"]
    assert file.read_text() == "after"


def test_an_epoch_with_a_lower_loss_is_the_best_so_far() -> None:
    position = Position(since_best=3, since_cut=2).after(FIRST, 1.25)
    assert position == Position(epoch=1, best=1.25, rows=(FIRST,))
    assert position.after(SECOND, 0.75) == Position(epoch=2, best=0.75, rows=(FIRST, SECOND))


@pytest.mark.parametrize("loss", [1.25, 1.5])
def test_an_epoch_without_progress_is_counted(loss: float) -> None:
    position = Position(best=1.25, epoch=4, since_best=1, since_cut=1).after(FIRST, loss)
    assert (position.epoch, position.best) == (5, 1.25)
    assert (position.since_best, position.since_cut) == (2, 2)


def test_a_loss_that_is_no_number_does_not_spoil_the_best() -> None:
    position = Position(best=1.25).after(FIRST, float("nan"))
    assert (position.best, position.since_best) == (1.25, 1)
    assert position.after(SECOND, 0.75).since_best == 0


def test_a_cut_of_the_rate_is_no_progress() -> None:
    position = Position(epoch=6, best=0.5, since_best=4, since_cut=4, rows=(FIRST,))
    assert position.cut() == Position(epoch=6, best=0.5, since_best=4, rows=(FIRST,))


def test_the_next_stage_starts_afresh_but_for_the_figures() -> None:
    position = Position(epoch=6, best=0.5, since_best=4, since_cut=2, rows=(FIRST, SECOND))
    assert position.next_stage() == Position(stage=1, rows=(FIRST, SECOND))
    assert position.next_stage().next_stage().stage == 2


def test_the_same_job_finds_its_folder_again(settings: Settings) -> None:
    job = TrainingMemory.of(settings, "classifier", CONFIG, "digest")
    turned = dict(reversed(CONFIG.items()))
    assert TrainingMemory.of(settings, "classifier", turned, "digest") == job
    assert isinstance(job, TrainingMemory)
    assert settings.var_dir in job.folder.parents
    assert not job.folder.exists()


def test_another_job_has_another_folder(settings: Settings) -> None:
    jobs = [
        UnfinishedJob.of(settings, "classifier", CONFIG, "digest"),
        UnfinishedJob.of(settings, "generator", CONFIG, "digest"),
        UnfinishedJob.of(settings, "classifier", {**CONFIG, "seed": 1}, "digest"),
        UnfinishedJob.of(settings, "classifier", CONFIG, "another digest"),
        UnfinishedJob.of(
            settings.model_copy(update={"experiment": "other"}), "classifier", CONFIG, "digest"
        ),
    ]
    assert len({job.folder for job in jobs}) == len(jobs)


def test_beginning_again_forgets_the_job_before(memory: TrainingMemory) -> None:
    memory.save(Position(epoch=1), weights(1), [])
    memory.begin("run 2")
    assert memory.run_id == "run 2"
    assert memory.load() is None
    assert json.loads((memory.folder / "run.json").read_text()) == {"run_id": "run 2"}


def test_a_job_that_ended_well_leaves_nothing(memory: TrainingMemory) -> None:
    memory.save(Position(epoch=1), weights(1), [])
    memory.remove()
    assert not memory.folder.exists()
    memory.remove()
