"""Runs, stored models, the gate and promotion. What others may use is listed here."""

from registry.classifier_model import (
    Classifier,
    ClassifierDescription,
    Prediction,
    store_classifier,
)
from registry.engine import EngineChoice
from registry.gate import GateResult, run_gate
from registry.generator_model import (
    MAX_SEED,
    Generator,
    GeneratorDescription,
    latents,
    store_generator,
    to_pixels,
)
from registry.mlflow_server import serve_mlflow
from registry.pictures import write_pictures
from registry.promotion import rollback
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
    "GateResult",
    "Generator",
    "GeneratorDescription",
    "ModelStore",
    "ModelVersion",
    "Prediction",
    "Run",
    "latents",
    "rollback",
    "run_gate",
    "serve_mlflow",
    "start_run",
    "store_classifier",
    "store_generator",
    "to_pixels",
    "write_pictures",
]
