"""Find the images that a list made elsewhere names, however its paths are written.

Lists come from other systems: with backslashes, a leading `./`, absolute, with the data folder's
name in front, in Unicode NFD, with another case of the suffix, or as bare file names or ids. A path
is taken for an image only where it can mean no other.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from leafgate.class_names import class_name
from leafgate.file_names import is_utf8, path_text
from leafgate.images import SUFFIXES
from leafgate.manifest import Manifest, ManifestRow
from leafgate.unicode_forms import nfc


@dataclass(frozen=True)
class NamedImages:
    """Which image each path means.

    places: by the path's place in the list, the image's place. loose: places of paths that are
    written in another way than the image's own. unknown: places of paths that mean no image, or
    more than one.
    """

    places: dict[int, int]
    loose: tuple[int, ...]
    unknown: tuple[int, ...]


def find_images(paths: Sequence[str], images: Sequence[str], root: Path) -> NamedImages:
    """Find each of `paths` among `images`, which are relative to `root`.

    An image that is named exactly is not found by a looser reading of another path.
    """
    exact = {_cleaned(image): place for place, image in enumerate(images)}
    places: dict[int, int] = {}
    for number, path in enumerate(paths):
        found = (exact[text] for text in _readings(path, root) if text in exact)
        if (place := next(found, None)) is not None:
            places[number] = place
    taken = set(places.values())
    left = [place for place in range(len(images)) if place not in taken]
    ends = _by_end([images[place] for place in left])
    loose, unknown = [], []
    for number, path in enumerate(paths):
        if number in places:
            continue
        likely = (_looser(text, ends) for text in _readings(path, root))
        at = next((place for place in likely if place is not None), None)
        if at is None:
            unknown.append(number)
        else:
            places[number] = left[at]
            loose.append(number)
    return NamedImages(places, tuple(loose), tuple(unknown))


def rows_of(images: Sequence[str], manifest: Manifest) -> dict[int, ManifestRow]:
    """The manifest's row of each image that it has one of, by the image's place."""
    found = find_images([row.path for row in manifest.rows], images, manifest.root)
    return {place: manifest.rows[number] for number, place in found.places.items()}


def _cleaned(path: str) -> str:
    """In NFC, with forward slashes, without `./` and blanks at the ends."""
    parts = nfc(path.strip()).replace("\\", "/").split("/")
    return "/".join(part for part in parts if part not in ("", "."))


def _readings(path: str, root: Path) -> Iterator[str]:
    """The path relative to `root`, as it may be meant."""
    texts = [path] if is_utf8(path) else [path_text(path), class_name(path)]
    for text in map(_cleaned, texts):
        for folder in (_cleaned(path_text(root)), _cleaned(path_text(root.resolve()))):
            if folder and text.startswith(f"{folder}/"):
                yield text.removeprefix(f"{folder}/")
        yield text


def _by_end(images: Sequence[str]) -> dict[str, list[int]]:
    """Images by the last parts of their paths, with and without suffix, case folded."""
    ends: dict[str, list[int]] = defaultdict(list)
    for place, image in enumerate(images):
        parts = _cleaned(image).casefold().split("/")
        for first in range(len(parts)):
            end = "/".join(parts[first:])
            for text in {end, _without_suffix(end)}:
                ends[text].append(place)
    return ends


def _looser(text: str, ends: dict[str, list[int]]) -> int | None:
    """The place of the one image whose path ends as `text` does.

    Folders in front are dropped, but not the last: `rust/1.png` is not `healthy/1.png`.
    """
    parts = text.casefold().split("/")
    for first in range(max(len(parts) - 1, 1)):
        found = ends.get("/".join(parts[first:]), [])
        if found:
            return found[0] if len(found) == 1 else None
    return None


def _without_suffix(text: str) -> str:
    return next((text.removesuffix(end) for end in SUFFIXES if text.endswith(end)), text)
