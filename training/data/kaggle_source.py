"""PlantVillage from Kaggle: credentials checked first, download resumed, archive verified.

The archive stays beside the target until it has been unpacked and proven, so that an interrupted
download goes on where it stopped. Kaggle's own package resumes only bytes that it can show to
belong to the same remote file.
"""

import errno
import json
import os
import shutil
import stat
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from leafgate.errors import UserError
from leafgate.images import SUFFIXES
from leafgate.progress import progress

DATASET = "abdallahalidev/plantvillage-dataset"
VARIANT = "color"  # the data set also holds grey and segmented copies of every image
TOKEN_PAGE = "https://www.kaggle.com/settings"  # noqa: S105 - an address, no secret


def download_plantvillage(
    out: Path, dataset: str = DATASET, make_api: Callable[[], Any] | None = None
) -> Path:
    """Download and unpack into `out`; returns the folder of class folders within.

    A folder that is complete already is returned as it is. make_api: the Kaggle API, signed in.
    Raises UserError without credentials, network or space, or for a damaged archive.
    """
    if out.is_dir():
        return class_folder(out)
    check_credentials(os.environ, Path.home())
    parking = out.with_name(f"{out.name}.download")
    try:
        parking.mkdir(parents=True, exist_ok=True)
        _download(make_api or _signed_in, dataset, parking)
        (archive,) = parking.glob("*.zip")
        unpack(archive, out)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise UserError(
            f"the disk with {out} is full",
            "PlantVillage needs about 5 GB while it is unpacked; free some and give the command "
            "again: the download goes on where it stopped",
        ) from error
    shutil.rmtree(parking)
    return class_folder(out)


def check_credentials(environment: Mapping[str, str], home: Path) -> None:
    """Raises UserError where there is no Kaggle token, or others can read its file."""
    if environment.get("KAGGLE_API_TOKEN"):
        return
    if environment.get("KAGGLE_USERNAME") and environment.get("KAGGLE_KEY"):
        return
    folder = Path(environment.get("KAGGLE_CONFIG_DIR") or home / ".kaggle")
    files = [folder / name for name in ("access_token", "kaggle.json") if (folder / name).is_file()]
    if not files:
        raise UserError(
            f"no Kaggle token in {folder} nor in the environment",
            f"make one at {TOKEN_PAGE} and save it as {folder / 'kaggle.json'}, or set "
            "KAGGLE_USERNAME and KAGGLE_KEY",
            code="no_credentials",
        )
    for file in files:
        mode = stat.S_IMODE(file.stat().st_mode)
        if mode & 0o077:
            raise UserError(
                f"{file} can be read by others (mode {mode:04o})", f"run: chmod 600 {file}"
            )
    _check_json(folder / "kaggle.json")


def _check_json(file: Path) -> None:
    if not file.is_file():
        return
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except ValueError:
        found = None
    if not isinstance(found, dict) or not {"username", "key"} <= set(found):
        raise UserError(f"{file} holds no username and key", f"download it again from {TOKEN_PAGE}")


def _signed_in() -> Any:  # noqa: ANN401 - KaggleApi
    # Importing `kaggle` itself signs in at once and ends the process where it cannot.
    from kaggle.api.kaggle_api_extended import KaggleApi

    api = KaggleApi()
    api.authenticate()
    return api


def _download(make_api: Callable[[], Any], dataset: str, folder: Path) -> None:
    try:
        make_api().dataset_download_files(dataset, path=str(folder), force=False, quiet=False)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise
        raise _not_downloaded(dataset, error) from error
    except (Exception, SystemExit) as error:  # Kaggle's package ends the process on refusal
        raise _not_downloaded(dataset, error) from error


def _not_downloaded(dataset: str, error: BaseException) -> UserError:
    return UserError(
        f"Kaggle did not deliver {dataset} ({error})",
        "check the network and that the token is valid, then give the command again: the "
        "download goes on where it stopped",
        code="download_failed",
    )


def unpack(archive: Path, out: Path) -> None:
    """Verify and unpack beside `out`, then rename. Raises UserError for a damaged archive."""
    beside = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        with zipfile.ZipFile(archive) as opened:
            members = [item for item in opened.infolist() if not item.is_dir()]
            with progress("unpacking", len(members)) as advance:
                for member in members:
                    _require_inside(member.filename)
                    opened.extract(member, beside)  # checks each file's CRC
                    advance()
        class_folder(beside)
        beside.rename(out)
    except (zipfile.BadZipFile, EOFError) as error:
        archive.unlink()
        raise UserError(
            f"the archive {archive.name} is damaged ({error})",
            "it was removed: give the command again",
        ) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _require_inside(name: str) -> None:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts:
        raise UserError(f"the archive wants to write to {name}", "do not use this archive")


def class_folder(root: Path) -> Path:
    """The folder below `root` whose own folders hold images; the colour variant where there are
    several. Raises UserError where there is none.
    """
    found = {file.parent.parent for file in root.glob("**/*") if file.suffix.lower() in SUFFIXES}
    if not found:
        raise UserError(f"no images in {root}", "remove it and download again")
    return min(found, key=lambda folder: (folder.name != VARIANT, str(folder)))
