"""Milliseconds of one picture at a time, two models in turn, so that both meet the same machine."""

import time
from collections.abc import Sequence

import numpy as np

from leafgate.images import decode
from leafgate.progress import progress
from registry.checks.evidence import Latency
from registry.classifier_model import Classifier

WARM_UP = 10
ROUNDS = 200


def measure_latency(
    candidate: Classifier, champion: Classifier | None, encoded: Sequence[bytes]
) -> Latency:
    """Decode and predict, at batch 1, `ROUNDS` times each; who goes first changes every round."""
    models = [candidate] if champion is None else [candidate, champion]
    for model in models:
        for _ in range(WARM_UP):
            _milliseconds(model, encoded[0])
    taken: list[list[float]] = [[] for _ in models]
    order = list(range(len(models)))
    with progress("timing one picture at a time", ROUNDS) as advance:
        for number in range(ROUNDS):
            for which in order:
                taken[which].append(_milliseconds(models[which], encoded[number % len(encoded)]))
            order.reverse()
            advance()
    theirs = None if champion is None else np.array(taken[1])
    return Latency(np.array(taken[0]), theirs, candidate.engine.name)


def _milliseconds(model: Classifier, encoded: bytes) -> float:
    start = time.perf_counter()
    model.predict([decode(encoded, wanted_size=model.description.image_size)])
    return (time.perf_counter() - start) * 1000
