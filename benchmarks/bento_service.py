"""The stored classifier behind BentoML with adaptive batching; runs in BentoML's environment."""

import os
from pathlib import Path
from typing import Any, cast

import bentoml
import numpy as np
from PIL.Image import Image

from registry import Classifier, EngineChoice, one_blas_thread

MAX_BATCH, MAX_LATENCY_MS = 32, 60_000  # beyond that latency it refuses; as many as connections


@bentoml.service(workers=1)
class LeafClassifier:
    """One worker, whose engine has all cores; BentoML puts requests together as they come."""

    def __init__(self) -> None:
        one_blas_thread()
        engine = cast(EngineChoice, os.environ["LEAFGATE_BENCH_ENGINE"])
        self.classifier = Classifier.load(Path(os.environ["LEAFGATE_BENCH_MODEL"]), engine)

    @bentoml.api(batchable=True, max_batch_size=MAX_BATCH, max_latency_ms=MAX_LATENCY_MS)
    def predict(self, images: list[Image]) -> list[dict[str, Any]]:
        """One answer an image."""
        answers = self.classifier.predict([np.asarray(image.convert("RGB")) for image in images])
        return [
            {
                "class": answer.class_name,
                "confidence": answer.confidence,
                "top": [{"class": name, "confidence": share} for name, share in answer.top],
                "unknown": answer.unknown,
                "unknown_score": answer.unknown_score,
            }
            for answer in answers
        ]
