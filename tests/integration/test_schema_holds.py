"""The API keeps to its OpenAPI document, and the document says what can happen."""

import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from benchmarks.schema import check_schema
from leafgate.settings import Settings
from serving import hash_password
from serving.app import create_app
from serving.refusals import CODES
from sql import add_user, open_database
from tests.colours import COLOURS
from tests.integration.conftest import PASSWORD, RunningApi, StartApi, api_settings

SCOPES = ("predict", "generate", "feedback", "admin")
FREELY = "1000000/minute"


@pytest.fixture
def free_api(classes_var: Path, tmp_path: Path, start_api: StartApi) -> RunningApi:
    kinds = ("token", "predict", "generate", "feedback", "move", "address")
    limits = {f"{kind}_limit": FREELY for kind in kinds}
    return start_api(api_settings(classes_var, tmp_path, max_generate=32, **limits))


@pytest.fixture
def document(settings: Settings) -> dict[str, Any]:
    return create_app(settings).openapi()


def test_schemathesis_finds_nothing_in_any_operation(free_api: RunningApi) -> None:
    add_user(open_database(free_api.settings.database), "root", hash_password(PASSWORD), SCOPES)
    clean, told = check_schema(
        free_api.url, lambda: free_api.token("root"), sorted(COLOURS), examples=12
    )
    assert clean, told
    tested = sum(map(int, re.findall(r"Tested: (\d+)", told)))
    described = httpx.get(f"{free_api.url}/openapi.json").json()["paths"]
    assert tested == sum(len(operations) for operations in described.values())


def test_every_refusal_is_described_by_one_shared_schema(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    assert "Problem" in schemas
    assert not {"HTTPValidationError", "ValidationError"} & set(schemas)
    for operations in document["paths"].values():
        for operation in operations.values():
            for status, response in operation["responses"].items():
                assert "X-Request-ID" in response["headers"]
                if int(status) < 400:
                    continue
                content = response["content"]["application/problem+json"]
                assert content["schema"] == {"$ref": "#/components/schemas/Problem"}
                assert set(content["examples"]) == {
                    name for name, code in CODES.items() if code.status == int(status)
                }


def test_every_code_has_an_example_and_a_line_in_the_introduction(document: dict[str, Any]) -> None:
    examples = document["components"]["examples"]
    for name, code in CODES.items():
        assert examples[name]["value"]["status"] == code.status
        assert f"`{name}`" in document["info"]["description"]


def test_waiting_and_signing_in_are_described_as_headers(document: dict[str, Any]) -> None:
    responses = document["paths"]["/predict"]["post"]["responses"]
    assert {"429", "503"} <= {s for s, r in responses.items() if "Retry-After" in r["headers"]}
    assert "WWW-Authenticate" in responses["401"]["headers"]
