"""Stored models, the audit chain, and what MLflow shows: fields, files, tags and metrics."""

import ast
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from tests.contracts import product
from tests.contracts.frozen import require_same_json

WORDS = ("title", "description")
SEED = bytes(range(32))
RECORD = {
    "model": "leaf-classifier",
    "action": "moved",
    "by": "gate",
    "who": "Ada",
    "from_version": 1,
    "to_version": 2,
    "previous_version": 1,
    "outcome": "promoted",
    "holder": "host:1",
    "policy_digest": "a" * 64,
    "artifact_digest": "b" * 64,
    "report": "runs:/1/gate/2",
    "reason": "größer 🌱",
}


def _schema(kind: Any) -> dict[str, Any]:
    schema = TypeAdapter(kind).json_schema()
    fields = {
        name: {key: value for key, value in field.items() if key not in WORDS}
        for name, field in schema["properties"].items()
    }
    return {"order": list(fields), "fields": fields, "required": schema.get("required", [])}


def test_fields_of_model_json() -> None:
    kinds = product.model_descriptions()
    require_same_json("model_json.json", {name: _schema(kind) for name, kind in kinds.items()})


def test_fields_actions_and_causes_of_the_audit() -> None:
    require_same_json("audit_record.json", _schema(product.audit_record()))


def test_an_audit_record_has_the_same_hash_and_signature_as_ever() -> None:
    """Else chains that are stored would no longer verify."""
    text = product.signed_audit_record(SEED, "2026-01-31T12:00:00.000Z", **RECORD)
    require_same_json("audit_record_signed.json", {"text": text, "record": json.loads(text)})


def test_aliases_of_registered_models() -> None:
    assert product.aliases() == {
        "staging": "staging",
        "production": "production",
        "previous": "previous",
    }


def test_tags_in_the_sources() -> None:
    """Of each `set_tags({…})` with literal or constant names: of runs, and of versions."""
    trees = [ast.parse(file.read_text(encoding="utf-8")) for file in product.source_files()]
    constants: dict[str, str] = {}
    for tree in trees:
        constants |= dict(_constants(tree))
    names = {name for tree in trees for name in _tag_names(tree, constants)}
    assert len(names) > 15
    require_same_json("mlflow_tags_in_sources.json", sorted(names))


def _constants(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Names in capitals of a module that stand for a text."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            for target in node.targets:
                if isinstance(target, ast.Name) and isinstance(node.value.value, str):
                    yield target.id, node.value.value


def _tag_names(tree: ast.Module, constants: dict[str, str]) -> Iterator[str]:
    own = constants | dict(_constants(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "set_tags":
            for argument in node.args:
                if isinstance(argument, ast.Dict):
                    yield from (_text(key, own) for key in argument.keys if key is not None)


def _text(node: ast.expr, constants: dict[str, str]) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.Name):
        return constants[node.id]
    if isinstance(node, ast.FormattedValue):
        return _text(node.value, constants)
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part, constants) for part in node.values)
    return "(computed)"


def test_metrics_of_a_classifier(tmp_path: Path) -> None:
    require_same_json(
        "mlflow_metrics_classifier.json", sorted(product.classifier_metrics(tmp_path))
    )


@pytest.mark.parametrize("features", ["inception", "lite0", "pixels"])
def test_metrics_of_a_generator(features: str) -> None:
    names = sorted(product.generator_metrics(features))
    require_same_json(f"mlflow_metrics_generator_{features}.json", names)


def test_models_as_they_are_registered(
    settings: Any, empty_store: Path, colour_manifest: Any
) -> None:
    """Tags, parameters, artifacts, the PyFunc's signature and model.json of a tiny one."""
    shutil.copytree(empty_store, settings.var_dir)
    store = product.model_store(settings)
    actual = {}
    for kind, version in product.registered_models(settings, colour_manifest).items():
        run = store.client.get_run(version.run_id)
        folder = store.stored_folder(version)
        files = {file.relative_to(folder) for file in folder.rglob("*") if file.is_file()}
        actual[kind] = {
            "name": version.name,
            "version_tags": sorted(version.tags),
            "kind_tag": version.tags["model.kind"],
            "run_tags": sorted(t for t in run.data.tags if not t.startswith(("mlflow.", "git."))),
            "run_params": sorted(run.data.params),
            "run_artifacts": sorted(_artifacts(store.client, version.run_id)),
            "files": sorted(map(str, filter(_is_data, files))),
            "model_json": json.loads((store.folder(version) / "model.json").read_text("utf-8")),
            "signature": _signature(folder),
        }
    require_same_json("registered_models.json", actual)


def _is_data(file: Path) -> bool:
    return file.parts[0] != "code" and file.suffix != ".py"


def _artifacts(client: Any, run_id: str, path: str | None = None) -> Iterator[str]:
    for item in client.list_artifacts(run_id, path):
        if item.is_dir:
            yield from _artifacts(client, run_id, item.path)
        else:
            yield item.path


def _signature(folder: Path) -> dict[str, Any]:
    import yaml

    described = yaml.safe_load((folder / "MLmodel").read_text(encoding="utf-8"))
    signature = described["signature"]
    return {
        name: json.loads(signature[name])
        for name in ("inputs", "outputs", "params")
        if signature.get(name)
    }
