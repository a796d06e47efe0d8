"""File names as text that every manifest, database, report and JSON document can hold.

A name on Linux is bytes. Python shows bytes that are not UTF-8 as surrogates, which no UTF-8 file
takes. Such names are percent-encoded here, and decoded again to reach the file; all other names
stay as they are.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote_from_bytes, unquote_to_bytes

from leafgate.unicode_forms import forms_of

# All printable ASCII but `%`; letters and digits are safe by themselves.
SAFE = " !\"#$&'()*+,-./:;<=>?@[\\]^_`{|}~"


def path_text(path: Path | str) -> str:
    """Return the path with forward slashes, as UTF-8 can write it.

    A path with bytes that are not UTF-8 is percent-encoded as a whole: the name `café.png` in
    Latin-1 is `caf%E9.png`.
    """
    text = path.as_posix() if isinstance(path, Path) else path
    if is_utf8(text):
        return text
    return quote_from_bytes(os.fsencode(text), SAFE)


def disk_path(root: Path, text: str) -> Path:
    """Return the file in `root` that `path_text` gave this text for.

    A file of exactly that name comes first, so a `%` in an ordinary name means itself. Then come
    names that another system has normalised or written with backslashes. None of these leads to
    where the text itself does not: `..%2F` and its like are no way out of `root`.
    """
    file = root / text
    if os.path.lexists(file):
        return file
    others = (root / other for other in _spellings(text) if _way(other) == _way(text))
    return next((other for other in others if os.path.lexists(other)), file)


def _spellings(text: str) -> Iterator[str]:
    if "%" in text:
        yield os.fsdecode(unquote_to_bytes(text.encode()))
    if "\\" in text:
        yield text.replace("\\", "/")
    yield from forms_of(text)


def _way(text: str) -> tuple[bool, int]:
    """Whether a path is absolute, and how often it goes up."""
    return text.startswith("/"), text.split("/").count("..")


def is_within(root: Path, file: Path) -> bool:
    """Whether the file lies in `root` by its name; links are not followed."""
    place, folder = (os.path.normpath(each.absolute()) for each in (file, root))
    return Path(place).is_relative_to(folder)


def is_at(file: Path, text: str) -> bool:
    """Whether the end of the file's path is what `path_text` wrote as `text`."""
    if file.as_posix().endswith(f"/{text}"):
        return True
    depth = text.count("/") + 1
    return path_text(Path(*file.parts[-depth:])) == text


def is_utf8(text: str) -> bool:
    """Whether UTF-8 can write the text: it has no surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
