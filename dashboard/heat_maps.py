"""Heat maps (Grad-CAM) over leaves: how strongly they cover is chosen without asking again."""

from collections import OrderedDict
from dataclasses import dataclass, field
from threading import Lock

import numpy as np
from PIL import Image

from dashboard.calls.diagnosing import HeatMap
from leafgate.images import ImageLimits, OpenedImage, Pixels, resized_within

LONGEST_SIDE = 1024  # pixels, of a picture that is shown
ONE_AT_A_TIME = Lock()  # over all sessions: a large picture takes 200 MB while it is decoded
KEPT = 6  # heat maps of a session, about a megabyte each


@dataclass
class ShownPictures:
    """What was decoded or asked for, to be shown again. heat: by (digest, class); picture: the
    last one, with its digest.
    """

    heat: OrderedDict[tuple[str, str], HeatMap] = field(default_factory=OrderedDict)
    picture: tuple[str, Pixels] | None = None

    def keep(self, digest: str, class_name: str, heat_map: HeatMap) -> None:
        """For the next time; the oldest is forgotten."""
        self.heat[digest, class_name] = heat_map
        while len(self.heat) > KEPT:
            self.heat.popitem(last=False)

    def decoded(self, digest: str, data: bytes, limits: ImageLimits) -> Pixels:
        """The picture, (h, w, 3), with sides of at most `LONGEST_SIDE`. Raises ImageError."""
        if self.picture is None or self.picture[0] != digest:
            with ONE_AT_A_TIME:
                picture = OpenedImage(data, limits, LONGEST_SIDE).read(wanted_size=LONGEST_SIDE)
                self.picture = digest, resized_within(picture, LONGEST_SIDE)
                del picture
        return self.picture[1]


def blended(leaf: Pixels, overlay: Pixels, strength: float) -> Pixels:
    """Both mixed, of the size of `overlay` (h, w, 3). strength: 0 is the leaf alone, 1 the overlay
    as the API made it, which is of the same picture but may be smaller.
    """
    height, width = overlay.shape[:2]
    alone = leaf
    if leaf.shape != overlay.shape:
        resized = Image.fromarray(leaf).resize((width, height), Image.Resampling.BILINEAR)
        alone = np.asarray(resized)
    mixed = alone * np.float32(1 - strength) + overlay * np.float32(strength)
    return np.clip(np.rint(mixed), 0, 255).astype(np.uint8)
