"""What a picture looks like in a few bytes: perceptual hashes in eight positions, and its colours.

The hash is the DCT hash of ImageHash at 16 x 16 bits. At 64 bits different leaves collide with
copies; at 256, copies that were saved again, scaled or brightened differ in at most some 20 bits
and different leaves (or digits) in more than 30. Turned and mirrored copies are found by hashing
all eight positions of the square.
"""

from dataclasses import dataclass

import imagehash
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from leafgate.images import Pixels, eight_positions

POSITIONS = 8
HASH_SIDE = 16
THUMBNAIL = 64
FLAT_SPREAD = 6.0


@dataclass(frozen=True)
class Look:
    """hashes: POSITIONS x 32 bytes, the upright one first; colours: mean and spread of R, G, B."""

    hashes: bytes
    colours: tuple[float, ...]

    @property
    def flat(self) -> bool:
        """One colour all over: such pictures are alike without being copies."""
        return max(self.colours[3:]) < FLAT_SPREAD


def look_of(image: Pixels) -> Look:
    """The look of a (height, width, 3) uint8 picture."""
    small = Image.fromarray(image).resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)
    grey = np.asarray(small.convert("L"))
    values = np.asarray(small, np.float32).reshape(-1, 3)
    colours = (*values.mean(axis=0).tolist(), *values.std(axis=0).tolist())
    return Look(b"".join(_hash(position) for position in eight_positions(grey)), colours)


def _hash(grey: Pixels) -> bytes:
    bits = imagehash.phash(Image.fromarray(grey), hash_size=HASH_SIDE).hash
    return np.packbits(bits).tobytes()


def hash_words(looks: list[Look]) -> NDArray[np.uint64]:
    """(n, POSITIONS, words) of 64 bits each."""
    joined = np.frombuffer(b"".join(look.hashes for look in looks), np.uint64)
    return joined.reshape(len(looks), POSITIONS, -1)
