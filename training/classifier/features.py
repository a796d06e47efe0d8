"""What the frozen layers make of a few views of every image, computed once.

Frozen layers give the same for the same view, so K views of every image are sent through them once:
the image as it will be served, and K - 1 augmented ones.
Stage 1 then learns the head from the pooled features, an epoch in well under a second, and stage 2
the last layers from the maps that enter them. On a processor OpenVINO does the frozen part, several
times faster than TensorFlow.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from leafgate.errors import UserError
from leafgate.images import Pixels
from leafgate.progress import progress
from registry import computes_bf16
from registry.engine import engine_of
from training.classifier.backbones import LoadedBackbone, Network, find_backbone, load_backbone
from training.classifier.config import ClassifierConfig
from training.classifier.halves import halves
from training.classifier.views import Draws, random_views
from training.data.pipeline import LabelledImages
from training.devices import gpu_is_used, precision_for

Array = NDArray[np.float16]
BATCH = 32
HIGHEST = float(np.finfo(np.float16).max)
FEWEST_VIEWS = 2  # of which maps are worth keeping


class Frozen(NamedTuple):
    """pooled: (views, n, channels), or (n, channels); maps: the same with (height, width, channels)
    of the cut, or empty where they are not kept.
    """

    pooled: Array
    maps: Array


@dataclass(frozen=True)
class FrozenViews:
    """Computed when first asked for, and shared by the stages.

    tuned: layers that stage 2 tunes, 0 for none; keep_bytes: memory that maps may take.
    """

    backbone: LoadedBackbone
    config: ClassifierConfig
    tuned: int
    train: LabelledImages
    validation: Pixels
    keep_bytes: float

    @property
    def keeps_maps(self) -> bool:
        """Whether stage 2 can learn from them."""
        return self.map_views >= max(min(FEWEST_VIEWS, self.config.stage1_views), 1)

    @cached_property
    def map_shape(self) -> tuple[int, ...]:
        """(height, width, channels) of one view's map; empty where the cut is at the pixels."""
        cut = halves(self.backbone.network, self.tuned) if self.tuned else None
        if cut is None:
            return ()
        side = self.config.image_size
        shape = cut.trunk.compute_output_shape((1, side, side, 3))
        return tuple(int(length) for length in shape[1:])

    @cached_property
    def map_views(self) -> int:
        """Views whose maps fit into memory."""
        if not self.map_shape:
            return 0
        each = np.prod(self.map_shape, dtype=float) * np.dtype(np.float16).itemsize
        images = len(self.train) + len(self.validation) / max(self.config.stage1_views, 1)
        return int(min(self.keep_bytes // (each * images), self.config.stage1_views))

    @cached_property
    def learnt(self) -> Frozen:
        """Of the training images: `stage1_views` views of each, the first as it will be served."""
        views, count = self.config.stage1_views, len(self.train)
        channels = int(self.backbone.network.output.shape[-1])
        pooled = np.empty((views, count, channels), np.float16)
        kept = self.map_views if self.keeps_maps else 0
        maps = np.empty((kept, count, *self.map_shape), np.float16)
        starts = range(0, count, BATCH)
        with progress("features of views", views * len(starts)) as advance:
            for view in range(views):
                for start in starts:
                    rows = slice(start, min(start + BATCH, count))
                    pixels = self.train.read(np.arange(rows.start, rows.stop))
                    seen = self._draw(pixels, view * count + start) if view else self._plain(pixels)
                    found = self._run(seen)
                    pooled[view, rows] = found.pooled
                    if view < kept:
                        maps[view, rows] = found.maps
                    advance()
        return Frozen(pooled, maps)

    @cached_property
    def validated(self) -> Frozen:
        """Of the validation images, as they will be served."""
        starts = range(0, len(self.validation), BATCH)
        batches = (self.validation[start : start + BATCH] for start in starts)
        parts = [self._run(batch.astype(np.float32)) for batch in batches]
        return Frozen(*(np.concatenate(each) for each in zip(*parts, strict=True)))

    @cached_property
    def _draw(self) -> Callable[[Pixels, int], NDArray[np.float32]]:
        config = self.config

        @tf.function(reduce_retracing=True)
        def draw(pixels: Any, seed: Any) -> Any:  # noqa: ANN401 - tensors
            draws = Draws(tf.stack([tf.constant(config.seed, tf.int32), seed]))
            return random_views(pixels, tf.constant(config.image_size), config, draws)

        return lambda pixels, seed: np.array(draw(pixels, tf.constant(seed, tf.int32)))

    def _plain(self, pixels: Pixels) -> NDArray[np.float32]:
        """Training images, which are kept larger, at the size that is served."""
        side = self.config.image_size
        return np.array(tf.image.resize(pixels, (side, side), antialias=True))

    @cached_property
    def _run(self) -> Callable[[NDArray[np.float32]], Frozen]:
        keep = self.keeps_maps
        run = compiled(frozen_network(self.backbone, self.config, self.tuned if keep else 0))

        def frozen(batch: NDArray[np.float32]) -> Frozen:
            with np.errstate(over="ignore"):  # it is looked for here
                found = [np.asarray(values, np.float16) for values in run(batch)]
            if not all(np.isfinite(values).all() for values in found):
                raise UserError(
                    f"the features of {self.backbone.name} are no numbers, or beyond {HIGHEST:g}",
                    "take other weights, or stage1_views=0, which keeps no features",
                )
            pooled = next(values for values in found if values.ndim == 2)
            maps = next((v for v in found if v.ndim == 4), np.empty((0, 0, 0, 0), np.float16))
            return Frozen(pooled, maps)

        return frozen


def frozen_network(backbone: LoadedBackbone, config: ClassifierConfig, tuned: int) -> Network:
    """(n, size, size, 3) in [0, 255] to pooled features, and to the map at the cut; in float32.

    tuned: layers after the cut; 0 for the pooled features alone.
    """
    with precision_for("float32"):
        same = load_backbone(backbone.name, "none").network
        same.set_weights(backbone.network.get_weights())
        pixels = keras.Input((config.image_size, config.image_size, 3))
        prepared = find_backbone(backbone.name).prepare(pixels)
        cut = halves(same, tuned) if tuned else None
        maps = prepared if cut is None else cut.trunk(prepared)
        last = same(prepared) if cut is None else cut.tail(maps)
        pooled = keras.layers.GlobalAveragePooling2D()(last)
        return keras.Model(pixels, [pooled] if cut is None else [pooled, maps])


def compiled(network: Network) -> Callable[[NDArray[np.float32]], Sequence[Any]]:
    """The network's outputs for a batch: by TensorFlow on a GPU, else by OpenVINO."""
    if gpu_is_used():
        flat = keras.Model(network.inputs, network.outputs)
        call = tf.function(lambda batch: flat(batch, training=False), reduce_retracing=True)
        return lambda batch: tf.nest.flatten(call(batch))
    return engine_of(network, "bf16" if computes_bf16() else "fp32").run_all
