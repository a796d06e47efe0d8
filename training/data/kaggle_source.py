"""Data sets from Kaggle: token checked first, download resumed, archive verified.

The archive stays beside the target until it has been unpacked and proven, so that an interrupted
download goes on where it stopped. Kaggle's own package resumes only bytes that it can show to
belong to the same remote file.
"""

import errno
import io
import os
import re
import shutil
from collections.abc import Callable
from contextlib import redirect_stdout, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from leafgate.errors import UserError
from training.data.archives import class_parents, require_images, unpack
from training.data.kaggle_token import TOKEN_PAGE, check_credentials, secrets_of

DATASET = "abdallahalidev/plantvillage-dataset"
VARIANT = "color"  # PlantVillage also holds grey and segmented copies of every image
SITE = "https://www.kaggle.com"
SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
ADDRESS = re.compile(r"(www\.|kaggle\.com/)", re.IGNORECASE)  # without https://
COMMANDS = ("kaggle", "curl", "wget")
IN_PYTHON = re.compile(r"""dataset_download\(\s*["']([^"']*)["']""")  # of kagglehub
NOT_DATASETS = ("c", "code", "competitions", "models", "kernels", "discussions", "learn")
LONGEST_REASON = 200


def download_dataset(
    out: Path, dataset: str = DATASET, make_api: Callable[[], Any] | None = None
) -> Path:
    """Download and unpack into `out`; returns the folder of class folders within.

    dataset: as `dataset_name` reads it. A folder that is complete already is returned as it is.
    make_api: the Kaggle API, signed in. Raises UserError without token, network or space, where
    Kaggle refuses, or for an archive that cannot be used.
    """
    dataset = dataset_name(dataset)
    if out.is_dir() and any(out.iterdir()):
        return class_folder(out)
    if out.exists() and not out.is_dir():
        raise UserError(f"{out} is a file", "choose a folder with --out")
    check_credentials(os.environ, Path.home())
    parking = out.with_name(f"{out.name}.download")
    try:
        parking.mkdir(parents=True, exist_ok=True)
        _download(make_api or _signed_in, dataset, parking)
        unpack(_archive(parking, dataset), out)
    except OSError as error:
        _remove_if_empty(parking)
        raise _not_written(out, error) from error
    except UserError as error:
        if error.code.startswith("archive_") or error.code == "no_images":
            shutil.rmtree(parking)  # asking again would only find it again
        _remove_if_empty(parking)
        raise
    shutil.rmtree(parking)
    return class_folder(out)


def dataset_name(text: str) -> str:
    """`owner/name`, or `owner/name/version`, of what a person copied from Kaggle: that itself, the
    page's address, or one of the commands that Kaggle offers. Raises UserError for anything else.
    """
    word = _word_of(text)
    parts = urlsplit(f"https://{word}" if ADDRESS.match(word) else word)
    slugs = [slug for slug in parts.path.split("/") if slug]
    if parts.netloc:
        if parts.hostname not in ("kaggle.com", "www.kaggle.com"):
            raise _no_name(text)
        slugs = _slugs_of_page(slugs, word)
    elif word.startswith(("/", ".", "~")):  # a folder
        raise _no_name(text)
    if slugs[2:3] in (["versions"], ["version"]):
        slugs = [*slugs[:2], *slugs[3:]]
    is_name = len(slugs) in (2, 3) and all(map(SLUG.fullmatch, slugs))
    if not is_name or (len(slugs) == 3 and not slugs[2].isdecimal()):
        raise _no_name(text)
    return "/".join(slugs)


def _word_of(text: str) -> str:
    """The address or the name in a line that was copied; the line itself where it is one word."""
    in_python = IN_PYTHON.search(text)
    words = [in_python[1]] if in_python else re.sub("[\"']", " ", text).split()
    if len(words) < 2:
        return words[0] if words else ""
    if words[0].lstrip("!") not in COMMANDS:
        raise _no_name(text)
    pages = [word for word in words if "kaggle.com/" in word]
    names = [word for word in words[1:] if "/" in word and SLUG.match(word)]
    after = [word for option, word in pairwise(words) if option in ("-d", "--dataset")]
    return next(iter([*pages, *after, *names]), "")


def _slugs_of_page(slugs: list[str], word: str) -> list[str]:
    """Owner and name, and the version where the address has one; its last part may be a tab."""
    if slugs[:1] and slugs[0] in NOT_DATASETS:
        raise UserError(
            f"{word} is no data set of Kaggle",
            "what belongs to a competition is downloaded with a browser, after its rules are "
            "accepted; unpack it and give its folder as --data",
            code="bad_dataset",
        )
    if slugs[:4] == ["api", "v1", "datasets", "download"]:
        slugs = slugs[3:]
    if slugs[:1] in (["datasets"], ["download"]):
        slugs = slugs[1:]
    return slugs if slugs[2:3] in (["versions"], ["version"]) else slugs[:2]


def _no_name(text: str) -> UserError:
    return UserError(
        f"{text!r} names no data set of Kaggle",
        f"give OWNER/NAME, or the address of its page: {SITE}/datasets/OWNER/NAME",
        code="bad_dataset",
    )


def default_folder(dataset: str) -> Path:
    """Where a data set goes without --out."""
    name = dataset_name(dataset)
    return Path("data") / ("plantvillage" if name == DATASET else name.split("/")[1])


def _signed_in() -> Any:  # noqa: ANN401 - KaggleApi
    # The package signs in as it is imported, and explains itself at length where it cannot.
    with redirect_stdout(io.StringIO()):
        from kaggle.api.kaggle_api_extended import KaggleApi

        api = KaggleApi()
        api.authenticate()
    return api


def _download(make_api: Callable[[], Any], dataset: str, folder: Path) -> None:
    try:
        try:
            api = make_api()
        except SystemExit as error:  # how Kaggle's package says that it has no valid token
            raise _refused_token() from error
        # It says much on standard output, signed addresses too; the bar is on standard error.
        with redirect_stdout(io.StringIO()):
            api.dataset_download_files(dataset, path=str(folder), force=False, quiet=False)
    except UserError:
        raise
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise
        raise _not_downloaded(dataset, error) from error
    except (Exception, SystemExit) as error:  # Kaggle's package ends the process on refusal
        raise _not_downloaded(dataset, error) from error


def _refused_token() -> UserError:
    return UserError(
        "Kaggle does not accept the token",
        f"make a new one at {TOKEN_PAGE}, and put it where the old one is",
        code="no_credentials",
    )


def _not_downloaded(dataset: str, error: BaseException) -> UserError:
    """In our words what Kaggle answered, without a signed address or a token."""
    owner_and_name = "/".join(dataset.split("/")[:2])
    response = getattr(error, "response", None)
    status = getattr(response, "status_code", None)
    page = f"{SITE}/datasets/{owner_and_name}"
    reason = _reason(error, response)
    if status == 401:
        return _refused_token()
    if status == 403:
        return UserError(
            f"Kaggle did not deliver {dataset} (403: {reason})",
            f"open {page} in a browser, signed in as the token's owner, and accept what it asks "
            "for; or correct the name",
            code="download_refused",
        )
    if status == 404:
        return UserError(
            f"Kaggle did not deliver {dataset} (404: there is no such data set)",
            f"correct the name: it is what follows {SITE}/datasets/ in the address of its page",
            code="download_refused",
        )
    told = f"{status}: {reason}" if status else reason
    return UserError(
        f"Kaggle did not deliver {dataset} ({told})",
        "check the network (https_proxy, where there is a proxy) and that the token is valid, then "
        "give the command again: the download goes on where it stopped",
        code="download_failed",
    )


def _reason(error: BaseException, response: Any) -> str:  # noqa: ANN401 - of requests
    told = ""
    with suppress(Exception):
        told = str(response.json()["message"])
    told = told or getattr(response, "reason", "") or str(error) or type(error).__name__
    if isinstance(error, SystemExit):
        told = "its package gave up"
    told = told.partition("(Caused by ")[2].rstrip(")") or told
    told = re.sub(r"(?<=://)[^\s/@]*@", "", re.sub(r"\?[^\s'\")]+", "", told))
    for secret in secrets_of(os.environ, Path.home()):
        told = told.replace(secret, "…")
    return " ".join(told.split())[:LONGEST_REASON]


def _archive(folder: Path, dataset: str) -> Path:
    """What was downloaded. Raises UserError where nothing was."""
    named = folder / f"{dataset.split('/')[1]}.zip"
    found = [named] if named.is_file() else sorted(folder.glob("*.zip"))
    if not found:
        raise UserError(
            f"Kaggle delivered no archive of {dataset}",
            "give the command again; if that does not help, download it with a browser, unpack it, "
            "and give its folder as --data",
            code="download_failed",
        )
    return found[0]


def _not_written(out: Path, error: OSError) -> UserError:
    if error.errno == errno.ENOSPC:
        return UserError(
            f"the disk with {out} is full",
            "free some and give the command again: the download goes on where it stopped. "
            "PlantVillage needs about 5 GB while it is unpacked",
            code="disk_full",
        )
    return UserError(
        f"{error.filename or out} cannot be written ({error.strerror or error})",
        "choose another folder with --out, or make that one writable",
        code="not_writable",
    )


def _remove_if_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()


def class_folder(root: Path) -> Path:
    """The folder below `root` that holds the class folders, or the sides of a split with class
    folders in each; of PlantVillage the colour images. Raises UserError where there is none.
    """
    try:
        require_images(root, str(root))
    except UserError as error:
        fix = "remove it and download again, or choose another folder with --out"
        raise UserError(error.problem, fix, error.code) from None
    found = class_parents(root)
    variants = [folder for folder in found if folder.name == VARIANT]
    if len(found) > 1 and len(variants) == 1:
        return variants[0]
    return Path(os.path.commonpath(found))
