"""What can be set: the variables LEAFGATE_*, and the `key=value` settings of a training."""

from typing import Any

from tests.contracts import product
from tests.contracts.frozen import require_same_json


def _fields(schema: dict[str, Any]) -> dict[str, Any]:
    """Name to JSON schema, without pydantic's titles."""
    assert "$defs" not in schema
    return {
        name: {key: value for key, value in field.items() if key != "title"}
        for name, field in schema["properties"].items()
    }


def test_every_setting(settings: Any) -> None:
    """Its variable, type, bounds, default and description."""
    kind = type(settings)
    prefix = kind.model_config["env_prefix"]
    fields = _fields(kind.model_json_schema())
    assert set(fields) == set(kind.model_fields)
    require_same_json("settings.json", {f"{prefix}{n.upper()}": f for n, f in fields.items()})


def test_keys_of_the_trainings_with_defaults() -> None:
    actual = {
        command: _fields(config.model_json_schema())
        for command, config in product.training_configs().items()
    }
    require_same_json("training_settings.json", actual)


def test_order_of_the_training_keys() -> None:
    """As --help and the run's parameters list them."""
    actual = {name: list(kind.model_fields) for name, kind in product.training_configs().items()}
    require_same_json("training_settings_order.json", actual)


def test_settings_of_every_generator_family() -> None:
    config = product.training_configs()["generator"]
    actual = {
        family: config(family=family).model_dump(mode="json")
        for family in product.generator_families()
    }
    require_same_json("generator_families.json", actual)
