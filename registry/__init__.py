"""Runs, stored models, the gate and promotion. What others may use is listed here."""

from registry.classifier_model import (
    Classifier,
    ClassifierDescription,
    Prediction,
    store_classifier,
)
from registry.engine import EngineChoice
from registry.generator_model import (
    MAX_SEED,
    Generator,
    GeneratorDescription,
    store_generator,
)
from registry.store import PREVIOUS, PRODUCTION, STAGING, ModelStore, ModelVersion
from registry.tracking import Run, start_run

__all__ = [
    "MAX_SEED",
    "PREVIOUS",
    "PRODUCTION",
    "STAGING",
    "Classifier",
    "ClassifierDescription",
    "EngineChoice",
    "Generator",
    "GeneratorDescription",
    "ModelStore",
    "ModelVersion",
    "Prediction",
    "Run",
    "start_run",
    "store_classifier",
    "store_generator",
]
