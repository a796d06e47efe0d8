"""Kept uploads have limits of age and space, whoever writes, and whatever the disk does."""

import hashlib
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from leafgate.settings import Settings
from leafgate.upload_folder import kept_in, remove, too_many, too_old
from serving.uploads import DAY_SECONDS, Uploads

MIB = 2**20
DAY = DAY_SECONDS


def keeping(var_dir: Path, **values: object) -> Settings:
    values = {"keep_uploads": True, "keep_uploads_days": 2.0, "keep_uploads_mb": 1, **values}
    return Settings(_env_file=None, var_dir=var_dir, **values)  # type: ignore[arg-type,call-arg]


def digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def keep(uploads: Uploads, name: str, size: int = 1000, days_old: float = 0.0) -> Path:
    """An image that was sent so long ago."""
    uploads.keep(digest(name), b"x" * size)
    file = uploads._settings.upload_file(digest(name))
    if days_old:
        moment = time.time() - days_old * DAY
        os.utime(file, (moment, moment))
    return file


def await_that(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def uploads(tmp_path: Path) -> Uploads:
    return Uploads(keeping(tmp_path))


@pytest.fixture
def started() -> Iterator[Callable[[Settings, float], Uploads]]:
    made: list[Uploads] = []

    def start(settings: Settings, sweep_seconds: float) -> Uploads:
        made.append(Uploads(settings, sweep_seconds))
        made[-1].start()
        return made[-1]

    yield start
    for each in made:
        each.stop()


def test_nothing_is_kept_unless_it_was_asked_for(tmp_path: Path) -> None:
    Uploads(keeping(tmp_path, keep_uploads=False)).keep(digest("a"), b"x")
    assert list(tmp_path.iterdir()) == []


def test_what_is_older_than_its_days_goes(uploads: Uploads) -> None:
    old, new = keep(uploads, "old", days_old=2.1), keep(uploads, "new", days_old=1.9)
    gone = uploads.sweep()
    assert (gone.files, gone.size) == (1, 1000)
    assert not old.exists()
    assert new.exists()


def test_beyond_the_space_the_oldest_go_and_no_more_than_must(uploads: Uploads) -> None:
    files = [keep(uploads, str(n), MIB // 4, days_old=1 - n / 10) for n in range(7)]
    assert uploads.sweep().files == 3
    assert [file.exists() for file in files] == [False] * 3 + [True] * 4
    assert uploads.sweep().files == 0


def test_an_image_that_is_sent_again_counts_as_new(uploads: Uploads) -> None:
    again, other = keep(uploads, "again", days_old=1.9), keep(uploads, "other", days_old=1.8)
    keep(uploads, "again")
    assert time.time() - again.stat().st_mtime < 60
    assert [file.path for file in kept_in(uploads._settings.uploads_dir)] == [
        str(other),
        str(again),
    ]


def test_an_image_sent_again_while_others_sweep_stays(uploads: Uploads) -> None:
    file = keep(uploads, "again", days_old=9)
    going = too_old(kept_in(uploads._settings.uploads_dir), time.time() - DAY)
    keep(uploads, "again")
    assert remove(going).files == 0
    assert file.exists()


def test_what_another_worker_removed_is_no_error(uploads: Uploads) -> None:
    keep(uploads, "a", days_old=9)
    seen = kept_in(uploads._settings.uploads_dir)
    assert remove(seen).files == 1
    assert remove(seen).files == 0
    assert keep(uploads, "a").exists()


def test_several_workers_write_and_sweep_one_folder_within_its_bound(tmp_path: Path) -> None:
    workers = [Uploads(keeping(tmp_path)) for _ in range(4)]
    errors: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for n in range(60):
                keep(workers[number], f"{n % 20} of {number % 2}", MIB // 16)
                if n % 5 == 0:
                    workers[number].sweep()
        except BaseException as error:  # noqa: BLE001 - told by the test's own thread
            errors.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    workers[0].sweep()
    assert errors == []
    kept = kept_in(workers[0]._settings.uploads_dir)
    assert 0 < sum(file.size for file in kept) <= MIB
    assert {file.size for file in kept} == {MIB // 16}


def test_a_running_service_keeps_within_its_space_by_itself(
    tmp_path: Path, started: Callable[[Settings, float], Uploads], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    uploads = started(keeping(tmp_path), 3600)  # much at once does not wait for the hour
    for n in range(40):
        keep(uploads, str(n), MIB // 8)
    await_that(lambda: sum(f.size for f in kept_in(tmp_path / "uploads")) <= MIB)
    await_that(lambda: "kept uploads removed" in caplog.text)


def test_a_little_is_swept_at_the_next_interval(
    tmp_path: Path, started: Callable[[Settings, float], Uploads]
) -> None:
    uploads = started(keeping(tmp_path), 0.05)
    old = keep(uploads, "old", 10, days_old=3)
    keep(uploads, "new", 10)
    await_that(lambda: not old.exists())


def test_what_was_kept_before_it_was_turned_off_goes_by_age(
    tmp_path: Path, started: Callable[[Settings, float], Uploads]
) -> None:
    file = keep(Uploads(keeping(tmp_path)), "old", days_old=3)
    started(keeping(tmp_path, keep_uploads=False), 3600)
    await_that(lambda: not file.exists())


def test_no_other_file_of_the_folder_is_touched(uploads: Uploads, tmp_path: Path) -> None:
    keep(uploads, "a", days_old=9)
    aliens = [tmp_path / "uploads" / name for name in ("notes.txt", "ab/README", "ab/cd/x")]
    beyond = tmp_path / "elsewhere"
    for alien in [*aliens, beyond / digest("b")]:
        alien.parent.mkdir(parents=True, exist_ok=True)
        alien.write_bytes(b"x" * 2 * MIB)
        os.utime(alien, (0, 0))
    (tmp_path / "uploads" / "zz").symlink_to(beyond)
    assert uploads.sweep().files == 1
    assert all(alien.exists() for alien in [*aliens, beyond / digest("b")])


def test_a_file_that_was_never_finished_goes_too(uploads: Uploads) -> None:
    file = keep(uploads, "a", days_old=9)
    file.rename(file.with_name(f".{file.name}.4711.1"))
    assert uploads.sweep().files == 1


def test_a_missing_folder_is_an_empty_one_and_is_made_again(
    uploads: Uploads, tmp_path: Path
) -> None:
    assert uploads.sweep().files == 0
    keep(uploads, "a")
    for file in sorted((tmp_path / "uploads").rglob("*"), reverse=True):
        file.unlink() if file.is_file() else file.rmdir()
    assert keep(uploads, "a").exists()


def test_a_disk_at_fault_fails_no_answer_and_is_told_once(
    uploads: Uploads, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "uploads").write_text("a file where the folder should be")
    for n in range(5):
        uploads.keep(digest(str(n)), b"x")
    assert caplog.text.count("could not be kept") == 1
    assert uploads.sweep().files == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a disk that is always full")
def test_a_full_disk_fails_no_answer(
    uploads: Uploads, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bytes go to a device that is full; nothing of the file stays behind."""

    def write(_file: Path, data: bytes) -> int:
        with Path("/dev/full").open("wb", buffering=0) as full:
            return full.write(data)

    monkeypatch.setattr(Path, "write_bytes", write)
    uploads.keep(digest("a"), b"x")
    assert "No space left on device" in caplog.text
    assert kept_in(uploads._settings.uploads_dir) == []


def test_which_files_are_too_many_is_reckoned_from_the_oldest(uploads: Uploads) -> None:
    for n in range(4):
        keep(uploads, str(n), 100, days_old=1 - n / 10)
    kept = kept_in(uploads._settings.uploads_dir)
    for most, going in ((400, 0), (399, 1), (300, 1), (299, 2), (0, 4)):
        assert too_many(kept, most) == kept[:going]
