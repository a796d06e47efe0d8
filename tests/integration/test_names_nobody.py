"""Where the log has pseudonyms, what else the service tells names nobody either."""

import logging
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

from leafgate.errors import UserError
from serving.app import create_app
from sql import open_database
from tests.integration.conftest import PASSWORD, RunningApi, StartApi, api_settings
from tests.integration.test_api_answers import eventually, png
from tests.integration.test_watching import collector

PATIENT = "Mustermann.png"
CLIENT = "127.0.0.2"


def ask_everything(api: RunningApi) -> list[int]:
    """From an address of its own; in the end the database is at fault."""
    transport = httpx.HTTPTransport(local_address=CLIENT)
    with httpx.Client(base_url=api.url, transport=transport, timeout=30) as client:
        form = {"username": "ada", "password": PASSWORD}
        answers = [client.post("/token", data={**form, "password": "wrong password"})]
        token = client.post("/token", data=form).json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        for data in (png(), b"no picture"):
            answers.append(client.post("/predict", files={"file": (PATIENT, data)}))
        answers.append(client.post("/feedback", json={"user": "ada"}))
        with open_database(api.settings.database).begin() as connection:
            connection.execute(sa.text("DROP TABLE users"))
        answers.append(client.post("/token", data=form))
    return [answer.status_code for answer in answers]


def test_neither_log_lines_nor_traces_nor_figures_name_anybody(
    served_var: Path,
    tmp_path: Path,
    start_api: StartApi,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
    caplog.set_level(logging.INFO)
    with collector() as (address, spans):
        api = start_api(
            api_settings(
                served_var,
                tmp_path,
                otlp_endpoint=address,
                log_identities="pseudonyms",
                log_identity_key="k" * 32,
            )
        )
        statuses = ask_everything(api)
        assert statuses[:3] == [401, 200, 415]
        assert statuses[-1] == 500
        assert "Traceback" in caplog.text
        figures = httpx.get(f"{api.url}/metrics").text
        assert eventually(lambda: sum(span.name == "POST /token" for span in spans) == 4)
    formatter = logging.Formatter()
    lines = "\n".join(
        formatter.format(record) for record in caplog.records if not record.name.startswith("httpx")
    )
    for told in (lines, "\n".join(map(str, spans)), figures):
        assert "'ada'" not in told
        assert '"ada"' not in told
        assert "Mustermann" not in told
        assert CLIENT not in told


def test_an_api_that_wants_pseudonyms_does_not_start_without_a_key(tmp_path: Path) -> None:
    settings = api_settings(tmp_path / "var", tmp_path, log_identities="pseudonyms")
    with pytest.raises(UserError, match="LEAFGATE_LOG_IDENTITY_KEY"):
        create_app(settings)
