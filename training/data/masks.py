"""Masks and segmentations that lie with the images: pictures of outlines, not examples of a class.

Only names tell them, so a name alone is not enough: the image that it belongs to has to be there.
"""

import re
from collections.abc import Iterable
from pathlib import Path

from leafgate.images import SUFFIXES

MASK_FILE = "named as the mask of the image beside it"
MASK_FOLDER = "named as the masks of the images beside it"
NAME = re.compile(
    r"(?P<image>.+?)[ _.-](mask|segmentation|ground[ _-]?truth)([ _-]?\d+)?", re.IGNORECASE
)
FOLDER_NAME = re.compile(r"(lung |binary )?masks?|segmentations?|ground ?truths?")
UNLIKE_A_CLASS = re.compile(r"ground ?truths?|segmentations?")  # people wear masks


def mask_files(files: Iterable[Path]) -> list[Path]:
    """Return the images named `x_mask`, `x_mask_1` or `x_segmentation` beside an image `x`."""
    images = [file for file in files if file.suffix.lower() in SUFFIXES]
    stems = {file.stem.casefold() for file in images}
    named = ((file, NAME.fullmatch(file.stem)) for file in images)
    return [file for file, name in named if name and name["image"].casefold() in stems]


def is_mask_folder(
    name: str, own: Iterable[Path], beside: Iterable[Path], may_be_class: bool = False
) -> bool:
    """Whether a folder has the name of masks, and a mask for images beside it alone.

    own, beside: images of the folder, and those that they may be masks of. may_be_class: the
    folder lies where classes do, so `masks` may be people who wear one.
    """
    words = " ".join(re.findall("[a-z]+", name.casefold()))
    if not (UNLIKE_A_CLASS if may_be_class else FOLDER_NAME).fullmatch(words):
        return False
    known = {file.stem.casefold() for file in beside}
    return bool(known) and all(_image_of(file) in known for file in own)


def _image_of(file: Path) -> str:
    """The stem of the image that this is the mask of."""
    found = NAME.fullmatch(file.stem)
    return (found["image"] if found else file.stem).casefold()
