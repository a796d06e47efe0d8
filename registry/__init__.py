"""Runs, stored models, the gate and promotion. What others may use is listed here.

What stores, judges and moves models is loaded on first use: the service does none of it, and is
ready sooner and smaller without.
"""

import importlib
from typing import TYPE_CHECKING

from registry.aliases import AliasReader, alias_reader
from registry.audit_memory import AuditMemory
from registry.classifier_model import (
    TTA_VIEWS,
    Classifier,
    ClassifierDescription,
    Explanation,
    Judgement,
    Prediction,
    averaged,
    store_classifier,
)
from registry.description import write_description
from registry.engine import (
    OPENVINO_CHOICES,
    Engine,
    EngineChoice,
    Form,
    PlainEngine,
    computes_bf16,
    drop_int8,
    one_blas_thread,
    store_int8,
    usable_cores,
)
from registry.generator_model import (
    Drawn,
    Generator,
    GeneratorDescription,
    origin,
    store_generator,
    to_pixels,
)
from registry.head import Head, grad_cam
from registry.heat import overlay
from registry.latent_series import FEWEST_STEPS, MAX_SEED, MOST_STEPS, latents, latents_between
from registry.ledger import Ledger, Standing, standing
from registry.local_copies import LocalCopies
from registry.mlflow_server import serve_mlflow
from registry.mlflow_token import sign_in_link
from registry.move import Move, Moved
from registry.outliers import OutlierScore
from registry.pictures import class_folder, write_pictures
from registry.registration import registration_of, require_registered
from registry.run_documents import CHECK, Study, gate_picture, gate_report, study_of
from registry.run_memory import RunDetails, RunMemory
from registry.store import DIGEST_TAG, PREVIOUS, PRODUCTION, STAGING, ModelStore, ModelVersion
from registry.stored_files import file_problems, versions_to_compare
from registry.verified_chain import VerifiedChain
from registry.versions import Curve, RunRecord, VersionReader, version_reader
from registry.vouching import (
    aliases_astray,
    audit_problems,
    chain_problems,
    is_vouched,
    require_vouched,
    restore,
)
from registry.wanted_version import Follows, InProduction, InStaging, Wanted

if TYPE_CHECKING:
    from registry.carrying_out import carry_out
    from registry.evaluation_set import run_manifest
    from registry.features import (
        EPOCH_FEATURES_TAG,
        FeatureExtractor,
        find_epoch_extractor,
        find_extractor,
    )
    from registry.gate import GateResult, Question, kind_of, run_gate
    from registry.holding import hold, release
    from registry.overriding import force, rollback
    from registry.policy import load_policy, policy_without
    from registry.promotion import realign, settle
    from registry.recording import adopt
    from registry.tracking import Run, start_run
    from registry.watching import watch

ON_FIRST_USE = {
    "carry_out": "registry.carrying_out",
    "run_manifest": "registry.evaluation_set",
    "EPOCH_FEATURES_TAG": "registry.features",
    "FeatureExtractor": "registry.features",
    "find_epoch_extractor": "registry.features",
    "find_extractor": "registry.features",
    "GateResult": "registry.gate",
    "Question": "registry.gate",
    "kind_of": "registry.gate",
    "load_policy": "registry.policy",
    "run_gate": "registry.gate",
    "hold": "registry.holding",
    "release": "registry.holding",
    "force": "registry.overriding",
    "rollback": "registry.overriding",
    "policy_without": "registry.policy",
    "realign": "registry.promotion",
    "settle": "registry.promotion",
    "adopt": "registry.recording",
    "Run": "registry.tracking",
    "start_run": "registry.tracking",
    "watch": "registry.watching",
}


def __getattr__(name: str) -> object:
    """What is loaded on first use (PEP 562)."""
    if name not in ON_FIRST_USE:
        raise AttributeError(f"module 'registry' has no attribute {name!r}")
    globals()[name] = found = getattr(importlib.import_module(ON_FIRST_USE[name]), name)
    return found


__all__ = [
    "CHECK",
    "DIGEST_TAG",
    "EPOCH_FEATURES_TAG",
    "FEWEST_STEPS",
    "MAX_SEED",
    "MOST_STEPS",
    "OPENVINO_CHOICES",
    "PREVIOUS",
    "PRODUCTION",
    "STAGING",
    "TTA_VIEWS",
    "AliasReader",
    "AuditMemory",
    "Classifier",
    "ClassifierDescription",
    "Curve",
    "Drawn",
    "Engine",
    "EngineChoice",
    "Explanation",
    "FeatureExtractor",
    "Follows",
    "Form",
    "GateResult",
    "Generator",
    "GeneratorDescription",
    "Head",
    "InProduction",
    "InStaging",
    "Judgement",
    "Ledger",
    "LocalCopies",
    "ModelStore",
    "ModelVersion",
    "Move",
    "Moved",
    "OutlierScore",
    "PlainEngine",
    "Prediction",
    "Question",
    "Run",
    "RunDetails",
    "RunMemory",
    "RunRecord",
    "Standing",
    "Study",
    "VerifiedChain",
    "VersionReader",
    "Wanted",
    "adopt",
    "alias_reader",
    "aliases_astray",
    "audit_problems",
    "averaged",
    "carry_out",
    "chain_problems",
    "class_folder",
    "computes_bf16",
    "drop_int8",
    "file_problems",
    "find_epoch_extractor",
    "find_extractor",
    "force",
    "gate_picture",
    "gate_report",
    "grad_cam",
    "hold",
    "is_vouched",
    "kind_of",
    "latents",
    "latents_between",
    "load_policy",
    "one_blas_thread",
    "origin",
    "overlay",
    "policy_without",
    "realign",
    "registration_of",
    "release",
    "require_registered",
    "require_vouched",
    "restore",
    "rollback",
    "run_gate",
    "run_manifest",
    "serve_mlflow",
    "settle",
    "sign_in_link",
    "standing",
    "start_run",
    "store_classifier",
    "store_generator",
    "store_int8",
    "study_of",
    "to_pixels",
    "usable_cores",
    "version_reader",
    "versions_to_compare",
    "watch",
    "write_description",
    "write_pictures",
]
