"""From class folders to classes, with warnings where a name may not be what was meant."""

import unicodedata
from collections import defaultdict
from collections.abc import Iterable

from leafgate.class_names import class_name, look_alikes
from leafgate.errors import UserError
from leafgate.file_names import is_utf8, path_text


def classes_of(folders: Iterable[str]) -> dict[str, str]:
    """Return the class of each folder. Raises UserError for a folder whose name is blank."""
    found = {folder: class_name(folder) for folder in folders}
    for folder, name in found.items():
        if not name:
            raise UserError(
                f"the class folder {path_text(folder)!r} has a name of blanks alone",
                "give it the name of its class",
            )
    return found


def name_warnings(classes: dict[str, str]) -> tuple[str, ...]:
    """Return a line for each folder whose class may not be what was meant.

    Parameters: classes, the class of each folder.
    """
    folders: dict[str, list[str]] = defaultdict(list)
    for folder, name in classes.items():
        folders[name].append(folder)
    told = [
        f"folders {_listed(map(path_text, same))} are read as one class, {name!r}"
        for name, same in folders.items()
        if len(same) > 1
    ]
    told += [
        f"the name of folder {path_text(folder)!r} is not UTF-8: its class is read as {name!r}"
        for folder, name in classes.items()
        if not is_utf8(folder)
    ]
    told += [
        f"classes {_listed(alike)} look alike and are learnt as different classes: if they are "
        "one, rename a folder"
        for alike in look_alikes(folders)
    ]
    return tuple(told)


def _listed(names: Iterable[str]) -> str:
    return " and ".join(map(_shown, names))


def _shown(name: str) -> str:
    """In quotes; with code points where it would look like its normal form."""
    return repr(name) if unicodedata.is_normalized("NFC", name) else ascii(name)
