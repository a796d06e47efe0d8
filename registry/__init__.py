"""Runs, stored models, the gate and promotion. What others may use is listed here."""

from registry.classifier_model import (
    Classifier,
    ClassifierDescription,
    Explanation,
    Judgement,
    Prediction,
    store_classifier,
)
from registry.description import write_description
from registry.engine import OPENVINO_CHOICES, EngineChoice, Form, store_int8
from registry.features import FeatureExtractor, find_extractor
from registry.gate import GateResult, run_gate
from registry.generator_model import (
    MAX_SEED,
    Drawn,
    Generator,
    GeneratorDescription,
    latents,
    origin,
    store_generator,
    to_pixels,
)
from registry.head import Head, grad_cam
from registry.mlflow_server import serve_mlflow
from registry.outliers import OutlierScore
from registry.pictures import class_folder, write_pictures
from registry.promotion import rollback
from registry.store import PREVIOUS, PRODUCTION, STAGING, ModelStore, ModelVersion
from registry.tracking import Run, start_run

__all__ = [
    "MAX_SEED",
    "OPENVINO_CHOICES",
    "PREVIOUS",
    "PRODUCTION",
    "STAGING",
    "Classifier",
    "ClassifierDescription",
    "Drawn",
    "EngineChoice",
    "Explanation",
    "FeatureExtractor",
    "Form",
    "GateResult",
    "Generator",
    "GeneratorDescription",
    "Head",
    "Judgement",
    "ModelStore",
    "ModelVersion",
    "OutlierScore",
    "Prediction",
    "Run",
    "class_folder",
    "find_extractor",
    "grad_cam",
    "latents",
    "origin",
    "rollback",
    "run_gate",
    "serve_mlflow",
    "start_run",
    "store_classifier",
    "store_generator",
    "store_int8",
    "to_pixels",
    "write_description",
    "write_pictures",
]
