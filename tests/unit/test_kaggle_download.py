"""PlantVillage from Kaggle; Kaggle's API is the one thing that is played."""

import errno
import io
import json
import zipfile
from pathlib import Path

import pytest

from leafgate.errors import UserError
from tests.colours import colour_picture
from training.data.kaggle_source import download_dataset
from training.data.kaggle_token import check_credentials

FILES = {
    "plantvillage dataset/color/Apple___rust/a.JPG": "red",
    "plantvillage dataset/color/Apple___healthy/b.JPG": "green",
    "plantvillage dataset/grayscale/Apple___rust/a.JPG": "red",
    "plantvillage dataset/segmented/Apple___rust/a.jpg": "red",
}


def archive(names: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as opened:
        for name, colour in names.items():
            picture = io.BytesIO()
            colour_picture(colour, 1).save(picture, "JPEG")
            opened.writestr(name, picture.getvalue())
    return buffer.getvalue()


class PlayedKaggle:
    """Delivers `data`; the first call may break off after a part."""

    def __init__(self, data: bytes, error: BaseException | None = None) -> None:
        self.data, self.error = data, error
        self.calls: list[tuple[str, bool]] = []

    def dataset_download_files(self, dataset: str, path: str, force: bool, quiet: bool) -> None:
        self.calls.append((dataset, force))
        file = Path(path) / "plantvillage-dataset.zip"
        if self.error:
            error, self.error = self.error, None
            file.write_bytes(self.data[:100])
            raise error
        file.write_bytes(self.data)


@pytest.fixture(autouse=True)
def _token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAGGLE_API_TOKEN", "a token")


def test_the_colour_images_are_found_and_nothing_is_left_beside(tmp_path: Path) -> None:
    kaggle = PlayedKaggle(archive(FILES))
    folder = download_dataset(tmp_path / "pv", make_api=lambda: kaggle)
    assert folder.name == "color"
    assert sorted(entry.name for entry in folder.iterdir()) == ["Apple___healthy", "Apple___rust"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["pv"]
    assert kaggle.calls == [("abdallahalidev/plantvillage-dataset", False)]


def test_what_is_there_is_not_downloaded_again(tmp_path: Path) -> None:
    kaggle = PlayedKaggle(archive(FILES))
    first = download_dataset(tmp_path / "pv", make_api=lambda: kaggle)
    assert download_dataset(tmp_path / "pv", make_api=lambda: kaggle) == first
    assert len(kaggle.calls) == 1


@pytest.mark.parametrize("error", [ConnectionError("no route to host"), SystemExit(1)])
def test_a_broken_download_is_told_kept_and_resumed(tmp_path: Path, error: BaseException) -> None:
    kaggle = PlayedKaggle(archive(FILES), error)
    with pytest.raises(UserError, match="did not deliver"):
        download_dataset(tmp_path / "pv", make_api=lambda: kaggle)
    assert (tmp_path / "pv.download" / "plantvillage-dataset.zip").stat().st_size == 100
    assert not (tmp_path / "pv").exists()
    assert download_dataset(tmp_path / "pv", make_api=lambda: kaggle).is_dir()


def test_a_full_disk_is_told_with_the_space_needed(tmp_path: Path) -> None:
    kaggle = PlayedKaggle(b"", OSError(errno.ENOSPC, "No space left on device"))
    with pytest.raises(UserError, match="full") as raised:
        download_dataset(tmp_path / "pv", make_api=lambda: kaggle)
    assert "5 GB" in raised.value.fix


def test_a_damaged_archive_is_removed_and_nothing_half_unpacked_remains(tmp_path: Path) -> None:
    good = archive(FILES)
    at = good.index(b"JFIF") + 200
    damaged = good[:at] + bytes([good[at] ^ 255]) + good[at + 1 :]
    with pytest.raises(UserError, match="damaged"):
        download_dataset(tmp_path / "pv", make_api=lambda: PlayedKaggle(damaged))
    assert not (tmp_path / "pv").exists()
    assert not list((tmp_path / "pv.download").glob("*.zip"))


def test_an_archive_that_writes_elsewhere_is_refused(tmp_path: Path) -> None:
    evil = archive({"../evil/x/a.jpg": "red"})
    with pytest.raises(UserError, match="wants to write to"):
        download_dataset(tmp_path / "pv", make_api=lambda: PlayedKaggle(evil))
    assert not (tmp_path / "evil").exists()


def test_an_archive_without_images_is_refused(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as opened:
        opened.writestr("readme.txt", "nothing")
    with pytest.raises(UserError, match="no images"):
        download_dataset(tmp_path / "pv", make_api=lambda: PlayedKaggle(buffer.getvalue()))


def test_a_folder_that_may_not_be_read_holds_no_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_path: Path) -> bool:  # as Path.is_file does to a user who is not root
        raise PermissionError

    monkeypatch.setattr(Path, "is_file", refuse)
    with pytest.raises(UserError, match="no Kaggle token"):
        check_credentials({}, tmp_path)


def test_without_credentials_the_remedy_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no Kaggle token") as raised:
        check_credentials({}, tmp_path)
    assert "kaggle.com/settings" in raised.value.fix


def test_a_token_that_others_can_read_is_refused(tmp_path: Path) -> None:
    tmp_path /= "my home"
    file = tmp_path / ".kaggle" / "kaggle.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"username": "u", "key": "k"}))
    file.chmod(0o644)
    with pytest.raises(UserError, match="0644") as raised:
        check_credentials({}, tmp_path)
    assert raised.value.fix == f"run: chmod 600 '{file}'"
    file.chmod(0o600)
    check_credentials({}, tmp_path)


def test_a_token_file_without_key_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "kaggle.json"
    file.write_text("{}")
    file.chmod(0o600)
    with pytest.raises(UserError, match="no username and key"):
        check_credentials({"KAGGLE_CONFIG_DIR": str(tmp_path)}, tmp_path)


def test_credentials_in_the_environment_are_enough(tmp_path: Path) -> None:
    check_credentials({"KAGGLE_USERNAME": "u", "KAGGLE_KEY": "k"}, tmp_path)
