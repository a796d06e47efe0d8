"""A backbone in two: the trunk, which does not learn, and the tail, which does.

They meet at a layer that everything after it is computed from, so that what comes out of it can be
kept in memory and learnt from again and again without the trunk.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras

from training.classifier.backbones import Network


class Halves(NamedTuple):
    """trunk: the backbone's inputs to maps; tail: maps to the backbone's output.

    They share the backbone's layers.
    """

    trunk: Network
    tail: Network


def halves(backbone: Network, unfrozen: int) -> Halves | None:
    """Cut where the tail is smallest and still has the last `unfrozen` layers.

    None where the whole backbone would be the tail.
    """
    frozen = {id(layer) for layer in backbone.layers[: max(len(backbone.layers) - unfrozen, 0)]}
    steps = backbone.operations
    learning = (n for n, step in enumerate(steps) if _is_layer(step) and id(step) not in frozen)
    first = next(learning, len(steps))
    places = [place for place in bottlenecks(steps) if place < first]
    if not places:
        return None
    maps = steps[places[-1]].output
    return Halves(
        keras.Model(backbone.input, maps, name="trunk"),
        keras.Model(maps, backbone.output, name="tail"),
    )


def bottlenecks(steps: Sequence[Any]) -> list[int]:
    """Places of the operations that all later ones are computed from; the input is none of them.

    steps: of a functional model, in an order in which each comes after what it reads.
    """
    made_by = {id(step.output): place for place, step in enumerate(steps)}
    found, earliest = [], len(steps)
    for place in range(len(steps) - 1, 0, -1):
        if place <= earliest:
            found.append(place)
        read = [made_by.get(id(tensor), 0) for tensor in _inputs(steps[place])]
        earliest = min(earliest, *read)
    return found[:0:-1]  # not the last one, after which nothing is left


def _is_layer(step: object) -> bool:
    return isinstance(step, keras.layers.Layer)


def _inputs(step: Any) -> list[object]:  # noqa: ANN401 - a Keras operation
    return list(step.input) if isinstance(step.input, (list, tuple)) else [step.input]
