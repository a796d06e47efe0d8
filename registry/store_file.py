"""Whether MLflow's SQLite file can be used, and in plain words what to do where it cannot.

MLflow itself waits minutes for a file that is locked or damaged, and then shows a stack.
"""

import os
import shlex
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

from leafgate.errors import UserError
from leafgate.settings import Settings
from leafgate.sqlite_url import readable, sqlite_file
from leafgate.url_secrets import shown_url, without_secrets

SETTING = "LEAFGATE_MLFLOW_TRACKING_URI"
WAIT_SECONDS = 5.0
REVISION = "SELECT version_num FROM alembic_version"
TABLES = "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table'"
VENDORS = ("sqlalchemy", "alembic", "sqlite3", "requests", "urllib3")  # what MLflow lets through

_usable: set[tuple[str, int, int]] = set()  # files that were looked at: path, device, inode


def require_usable_file(settings: Settings) -> None:
    """Raise UserError `registry_error` where the store is a SQLite file that MLflow cannot use.

    Each file is looked at once a process; one that is not there yet is made by MLflow.
    """
    file = sqlite_file(settings.tracking_uri)
    if file is None:
        return
    file = file.absolute()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        status = file.stat()
    except FileNotFoundError:
        _require_room(file)
        return
    except OSError as error:
        raise _cannot_be_opened(file, error.strerror or str(error)) from error
    identity = (str(file), status.st_dev, status.st_ino)
    if identity in _usable:
        return
    if not file.is_file():
        raise _cannot_be_opened(file, "it is no file")
    try:
        revision = _revision(file)
    except sqlite3.Error as error:
        raise unreachable(settings, error) from error
    if revision is not None:
        _require_current(settings, revision)
    _usable.add(identity)


def _require_room(file: Path) -> None:
    """A new file: its folder has to take one."""
    if not os.access(file.parent, os.W_OK | os.X_OK):
        raise _cannot_be_opened(file, "its folder cannot be written to")


def _revision(file: Path) -> str | None:
    """Of the tables; None where there are none yet. Raises sqlite3.Error."""
    uri = f"{file.as_uri()}?mode=ro"
    with closing(sqlite3.connect(uri, timeout=WAIT_SECONDS, uri=True)) as connection:
        if not connection.execute(TABLES).fetchone()[0]:
            return None
        found = connection.execute(REVISION).fetchone()
        return str(found[0]) if found else ""


def _require_current(settings: Settings, revision: str) -> None:
    from mlflow.store.db import utils

    newest = utils._get_latest_schema_revision()
    if revision == newest:
        return
    versions = Path(utils._get_package_dir()) / "store" / "db_migrations" / "versions"
    if revision == "" or any(versions.glob(f"{revision}_*.py")):
        raise _older(settings, revision or "none")
    raise _newer(settings, revision)


def unreachable(settings: Settings, error: Exception) -> UserError:
    """What MLflow or its store answered, shortened, and what to do about it."""
    said = next(iter(str(error).splitlines()), type(error).__name__)[:300]
    file = sqlite_file(settings.tracking_uri)
    if file is not None:
        for words, (problem, fix) in REMEDIES.items():
            if words in str(error):
                place = str(file.absolute())
                fix = fix.format(file=place, quoted=shlex.quote(place))
                return UserError(f"MLflow's store {place} {problem}", fix, "registry_error")
    if getattr(error, "error_code", "") == "RESOURCE_DOES_NOT_EXIST":
        return UserError(
            f"MLflow at {shown_url(settings.tracking_uri)} has it no more: {without_secrets(said)}",
            "it was deleted there: put back a backup of MLflow's store, or train again",
            code="registry_error",
        )
    return UserError(
        f"MLflow at {shown_url(settings.tracking_uri)} answered: {without_secrets(said)}",
        f"check {SETTING} and that the server is up"
        if file is None
        else "look at the file, or set LEAFGATE_MLFLOW_TRACKING_URI to another store",
        code="registry_error",
    )


BACKUP = (
    "put it back from a backup; without one, move it away: the next command begins an empty one, "
    "and models have to be trained again"
)
REMEDIES = {
    "is locked": (
        "is locked by another process",
        "wait until that is done, or end it (`fuser {quoted}` names it), and try again",
    ),
    "readonly database": (
        "cannot be written to",
        "give this user the right to write to {file} and to its folder",
    ),
    "not a database": ("is damaged: it is no SQLite file", BACKUP),
    "malformed": ("is damaged", BACKUP),
    "no such table": ("has no tables of MLflow", BACKUP),
    "unable to open": (
        "cannot be opened",
        "give this user the right to read {file} and its folder, or put them back",
    ),
    "disk is full": ("cannot grow: the disk is full", "free some space, and try again"),
    "disk I/O error": ("cannot be read or written: the disk is at fault", BACKUP),
    "Detected out-of-date database schema": (
        "is of another version of MLflow",
        "install the version of MLflow that it was made with, or upgrade it with `mlflow db "
        "upgrade` after a backup",
    ),
    "Can't locate revision": (
        "is of a newer version of MLflow",
        "install that version (`pip install --upgrade mlflow`), or put back a backup of the file",
    ),
}


def _cannot_be_opened(file: Path, why: str) -> UserError:
    return UserError(
        f"MLflow's store {file} cannot be opened ({why})",
        f"give this user the right to read and write {file.parent}, or set {SETTING} to another "
        "store",
        code="registry_error",
    )


def _older(settings: Settings, revision: str) -> UserError:
    file = sqlite_file(settings.tracking_uri)
    python, url = shlex.quote(sys.executable), shlex.quote(readable(settings.tracking_uri))
    return UserError(
        f"MLflow's store {file} was made by an older version of MLflow (revision {revision})",
        f"stop what uses it, copy the file, and run `{python} -m mlflow db upgrade {url}`",
        code="registry_error",
    )


def _newer(settings: Settings, revision: str) -> UserError:
    import mlflow

    return UserError(
        f"MLflow's store {sqlite_file(settings.tracking_uri)} was made by a newer version than the "
        f"installed MLflow {mlflow.__version__} (revision {revision})",
        "install that version (`pip install --upgrade mlflow`), or put back a backup of the file",
        code="registry_error",
    )


def is_of_the_store(error: Exception) -> bool:
    """Whether an exception comes from MLflow, or from what it keeps its store with."""
    from mlflow.exceptions import MlflowException

    vendor = type(error).__module__.partition(".")[0]
    return isinstance(error, MlflowException) or vendor in VENDORS
