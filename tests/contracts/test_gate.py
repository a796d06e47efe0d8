"""The gate: checks and bounds of a policy, the policies that LeafGate brings, its report."""

from typing import Any, get_args, get_type_hints

from pydantic import TypeAdapter

from tests.contracts import product
from tests.contracts.frozen import require_same_json


def test_checks_with_the_keys_of_their_bounds() -> None:
    actual = {
        kind: {
            name: {
                bound.name: {
                    "value": " | ".join(bound.choices) or "number",
                    "required": not bound.optional,
                }
                for bound in check.bounds
            }
            for name, check in checks.items()
        }
        for kind, checks in product.gate_checks().items()
    }
    require_same_json("gate_checks.json", {"keys": product.policy_keys(), "checks": actual})


def test_the_default_policies() -> None:
    actual: dict[str, Any] = {}
    for kind in product.gate_checks():
        policy = product.default_policy(kind)
        actual[kind] = {
            "order": list(policy.checks),
            "checks": {name: dict(bounds) for name, bounds in policy.checks.items()},
            "features": policy.features,
            "evaluation_set": policy.evaluation_set,
            "features_choices": get_args(get_type_hints(type(policy))["features"]),
        }
    require_same_json("gate_policies.json", actual)


def test_the_report_as_json() -> None:
    schema = TypeAdapter(product.gate_report()).json_schema(mode="serialization")
    require_same_json("gate_report.json", _without_words(schema))


def _without_words(schema: Any) -> Any:
    """Without docstrings and titles, and with numbered names of the classes inside."""
    names = {name: f"type_{n}" for n, name in enumerate(schema.get("$defs", {}), 1)}

    def plain(value: Any) -> Any:
        if isinstance(value, list):
            return [plain(item) for item in value]
        if not isinstance(value, dict):
            return value
        if "$ref" in value:
            return {"$ref": names[value["$ref"].rpartition("/")[2]]}
        return {
            key: {names.get(n, n): plain(v) for n, v in inner.items()}
            if key in ("properties", "$defs")
            else plain(inner)
            for key, inner in value.items()
            if key not in ("title", "description")
        }

    return plain(schema)
