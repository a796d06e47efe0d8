"""Class names, normalised once where they come in: Unicode NFC, without blanks at the ends.

The same name reaches LeafGate in many spellings: macOS writes `café` in two code points for the é
(NFD), an old archive in one byte (Latin-1), a spreadsheet with a blank at its end. Code that reads
a name (folder, manifest, request, setting) calls `class_name`, so that names compare as text.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable

from leafgate.unicode_forms import LONGEST, nfc

# Zero-width characters and byte order marks, which copy and paste leaves at the ends.
INVISIBLE = "\u00ad\u200b\u200c\u200d\u2060\ufeff"
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
SEPARATORS = re.compile(r"[\s_\-\u2010-\u2015]+")
# Cyrillic and Greek letters that look like Latin ones, after case folding.
LOOK_ALIKE = str.maketrans("аеорсухіјѕкмтнвαονρτυκιμ", "aeopcyxijskmthbaovptukiu")


def class_name(name: str) -> str:
    """Return the name in NFC, without blanks or invisible characters at its ends.

    Bytes of a folder's name that are not UTF-8 (surrogates, as `os.scandir` gives them) are read as
    Windows-1252, which holds the letters of Latin-1. Control characters become blanks.
    """
    text = CONTROL.sub(" ", nfc(_readable(name)))
    while (shorter := text.strip().strip(INVISIBLE)) != text:
        text = shorter
    return text


def find_class(name: str, known: Iterable[str]) -> str | None:
    """Return the one of `known` that is the same class as `name`, None where none is.

    Models and logs of older versions may hold names that are not normalised: they are found too.
    """
    names = tuple(known)
    if name in names:
        return name
    if len(name) > LONGEST:
        return None
    wanted = class_name(name)
    return next((each for each in names if class_name(each) == wanted), None)


def same_class(name: str | None, other: str | None) -> bool:
    """Whether both name the same class; an absent name is equal to nothing."""
    return name is not None and other is not None and class_name(name) == class_name(other)


def class_names(names: Iterable[str]) -> tuple[str, ...]:
    """Return `names` normalised; unchanged where two of them would become one."""
    given = tuple(names)
    normal = tuple(class_name(name) for name in given)
    return normal if len(set(normal)) == len(set(given)) else given


def look_alikes(names: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    """Return groups of different names that are easily taken for one another, sorted.

    They differ in case, in blanks, hyphens and underscores, in width or invisible characters, or
    in letters of another script that look the same.
    """
    alike: dict[str, set[str]] = defaultdict(set)
    for name in names:
        alike[_shape(name)].add(name)
    return tuple(sorted(tuple(sorted(group)) for group in alike.values() if len(group) > 1))


def _shape(name: str) -> str:
    """What a reader sees of the name at a glance."""
    folded = unicodedata.normalize("NFKC", class_name(name)).casefold()
    visible = "".join(each for each in folded if unicodedata.category(each) != "Cf")
    return SEPARATORS.sub(" ", visible).strip().translate(LOOK_ALIKE)


def _readable(name: str) -> str:
    """`name` without surrogates."""
    if not any("\ud800" <= each <= "\udfff" for each in name):
        return name
    try:
        raw = name.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # surrogates that stand for no byte
        return name.encode("utf-8", "replace").decode("utf-8")
    try:
        return raw.decode("cp1252")
    except UnicodeDecodeError:
        return raw.decode("latin-1")
