"""Every import of the product that the contracts need; a moved module is corrected here alone.

Imports are inside functions, so that a contract does not load TensorFlow for another.
"""

import importlib
import inspect
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def program() -> Any:
    """The module of the `leafgate` program, with `app` (Typer) and `main`."""
    module, _, function = PROJECT["project"]["scripts"]["leafgate"].partition(":")
    assert function == "main"
    return importlib.import_module(module)


def source_files() -> Iterator[Path]:
    """Python files of the packages that are installed, without benchmarks."""
    roots = {name.partition(".")[0] for name in PROJECT["tool"]["setuptools"]["packages"]}
    for root in sorted(roots - {"benchmarks"}):
        yield from sorted((ROOT / root).rglob("*.py"))


def api(settings: Any) -> Any:
    """The FastAPI application."""
    from serving.app import create_app

    return create_app(settings)


def api_codes() -> dict[str, int]:
    """The HTTP status of every error code of the API."""
    from serving.refusals import CODES

    return {name: code.status for name, code in CODES.items()}


def api_metrics() -> Any:
    """The service's Prometheus registry, with every gauge that it reads at a scrape."""
    from serving.metrics import WATCHED, Metrics

    metrics = Metrics()
    for name in WATCHED:
        metrics.watch(name, lambda: 0.0)
    return metrics._registry


def metrics_content_type() -> str:
    """Of GET /metrics."""
    from serving.metrics import CONTENT_TYPE

    return CONTENT_TYPE


def migrate(url: str) -> Any:
    """An engine of the database at `url`, with the tables that the migrations create."""
    import sql

    engine = sql.open_database(url)
    sql.migrate(engine)
    return engine


def schema_script(dialect: str) -> str:
    """The output of `leafgate db ddl`."""
    import sql

    return sql.ddl(dialect)


def model_descriptions() -> dict[str, Any]:
    """The dataclass that is stored as model.json, by kind of model."""
    from registry import ClassifierDescription, GeneratorDescription

    return {"classifier": ClassifierDescription, "generator": GeneratorDescription}


def training_configs() -> dict[str, Any]:
    """The pydantic model of `key=value` settings, by command of `leafgate train`."""
    from training.classifier.config import ClassifierConfig
    from training.gan.config import GanConfig

    return {"classifier": ClassifierConfig, "generator": GanConfig}


def generator_families() -> tuple[str, ...]:
    """Values of the setting `family`."""
    from training.gan.families import FAMILIES

    return tuple(FAMILIES)


def gate_checks() -> Any:
    """Checks by kind of model and name."""
    from registry.checks import CHECKS

    return CHECKS


def default_policy(kind: Any) -> Any:
    """The policy that the gate uses without --policy."""
    from registry import load_policy

    return load_policy(None, kind)


def policy_keys() -> tuple[str, ...]:
    """The keys at the top of a policy file."""
    from registry.policy import TOP

    return TOP


def gate_report() -> Any:
    """The dataclass that is stored as the gate's report.json."""
    from registry.report import GateReport

    return GateReport


def aliases() -> dict[str, str]:
    """The aliases of registered models."""
    from registry import PREVIOUS, PRODUCTION, STAGING

    return {"staging": STAGING, "production": PRODUCTION, "previous": PREVIOUS}


def audit_record() -> Any:
    """The dataclass of a record of the audit chain."""
    from leafgate.audit import AuditRecord

    return AuditRecord


def signed_audit_record(seed: bytes, at_utc: str, **values: Any) -> str:
    """The JSON of a first record, signed with the key of that seed."""
    from leafgate.audit import AuditEntry, sign, to_json
    from leafgate.audit_key import SigningKey

    return to_json(sign(AuditEntry(**values), None, SigningKey(seed), at_utc))


def classifier_metrics(folder: Path) -> dict[str, float]:
    """Metrics that training logs of a tiny classifier on twelve images; writes into `folder`."""
    import numpy as np

    from registry import Classifier
    from tests.colours import colour_picture
    from tests.models import store_tiny_classifier
    from training.classifier.evaluation import evaluate
    from training.classifier.finished import FormTable, Side, judge_all

    store_tiny_classifier(folder, outliers=True)
    classifier = Classifier.load(folder, "openvino")
    truth = np.arange(12) % 3
    names = classifier.description.labels
    images = np.stack([np.asarray(colour_picture(names[c], n)) for n, c in enumerate(truth)])
    shares = {"fp32": 1.0, "bf16": 1.0, "int8": 1.0}
    side = Side(images, truth, tuple(map(str, range(12))))
    forms = FormTable(shares, shares, "fp32", "")
    return evaluate(classifier, side, judge_all(classifier, images), forms).metrics("test")


def generator_metrics(features: Any) -> dict[str, float]:
    """Metrics that training logs of a painter, measured with features of that name."""
    from tests.painters import ColourSense, painter, real_side
    from training.gan.evaluation.evidence import gather
    from training.gan.evaluation.measure import measure

    train, test = real_side(30, seed=1), real_side(20, seed=2)
    sense = ColourSense(labels=("a", "b") if features == "inception" else (), name=features)
    evidence = gather(painter(), sense, ColourSense(), train, test, 60, seed=5)
    return measure(evidence).metrics("test")


def registered_models(settings: Any, manifest: Any) -> dict[str, Any]:
    """A tiny version of each kind, registered as training does."""
    from tests.models import register_tiny_classifier, register_tiny_generator

    return {
        "classifier": register_tiny_classifier(settings, manifest=manifest),
        "generator": register_tiny_generator(settings, manifest=manifest),
    }


def model_store(settings: Any) -> Any:
    """The door to MLflow's registry."""
    from registry import ModelStore

    return ModelStore(settings)


def callback_source(command: Any) -> tuple[str, dict[str, Any]]:
    """The source and globals of the function that a command calls."""
    function = inspect.unwrap(command.callback)
    return inspect.getsource(function), function.__globals__
