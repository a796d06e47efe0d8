"""Which PlantVillage files show the same leaf, from their names: `uuid___RS_HL 1864.JPG`.

The part after `___` is a series and a number. Four digits and more are a camera's shot counter:
a leaf was shot several times in a row, so shots with neighbouring numbers belong together. Fewer
digits are the leaf itself (`GH_HL Leaf 320.2.JPG`: leaf 320, second shot).
"""

import itertools
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from training.data.folder import FoundImage

NAME = re.compile(r"^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}___(?P<series>.+?)\s+(?P<n>\d+)")
COUNTER_DIGITS = 4
MAX_STEP = 3  # shots further apart are taken for two leaves
MAX_CHAIN, MIN_PIECE = 40, 10  # a full series has no gaps: it is cut where pictures change most


@dataclass(frozen=True)
class Shot:
    """A file's place in its series. index: into the images; leaf: the number is the leaf's own."""

    series: str
    number: int
    leaf: bool
    index: int


def same_leaf_pairs(images: Sequence[FoundImage]) -> Iterator[tuple[int, int]]:
    """Index pairs of images that are taken for shots of one leaf, neighbours in their series."""
    series: dict[tuple[str, str, bool], list[Shot]] = defaultdict(list)
    for index, image in enumerate(images):
        shot = _shot(image, index)
        if shot is not None:
            series[image.class_name, shot.series, shot.leaf].append(shot)
    for shots in series.values():
        for chain in _chains(
            sorted(shots, key=lambda shot: (shot.number, images[shot.index].path))
        ):
            for piece in _pieces(chain, images):
                yield from ((a.index, b.index) for a, b in itertools.pairwise(piece))


def _shot(image: FoundImage, index: int) -> Shot | None:
    found = NAME.match(image.path.rsplit("/", 1)[-1])
    if not found:
        return None
    digits = found["n"]
    return Shot(found["series"].lower(), int(digits), len(digits) < COUNTER_DIGITS, index)


def _chains(shots: list[Shot]) -> Iterator[list[Shot]]:
    chain = shots[:1]
    for shot in shots[1:]:
        if shot.number - chain[-1].number > (0 if shot.leaf else MAX_STEP):
            yield chain
            chain = []
        chain.append(shot)
    yield chain


def _pieces(chain: list[Shot], images: Sequence[FoundImage]) -> Iterator[list[Shot]]:
    if len(chain) <= MAX_CHAIN:
        yield chain
        return
    places = range(MIN_PIECE, len(chain) - MIN_PIECE)
    cut = max(places, key=lambda i: _change(images[chain[i - 1].index], images[chain[i].index]))
    yield from _pieces(chain[:cut], images)
    yield from _pieces(chain[cut:], images)


def _change(before: FoundImage, after: FoundImage) -> float:
    pairs = zip(before.look.colours, after.look.colours, strict=True)
    return sum((a - b) ** 2 for a, b in pairs)
