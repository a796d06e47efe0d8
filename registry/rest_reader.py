"""Aliases by MLflow's public REST API (docs: mlflow.org, REST API 2.0), signed in as its client is.

https://mlflow.org/docs/latest/api_reference/rest-api.html
"""

import base64
import configparser
import logging
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from leafgate.settings import Settings
from registry.connection import unreachable, unusable
from registry.store import ModelVersion

TIMEOUT = httpx.Timeout(5.0, connect=2.0)  # seconds
MISSING = "RESOURCE_DOES_NOT_EXIST"


class RestReader:
    """Asks an MLflow server, over one kept connection. UserError `bad_tracking_uri` where none can
    be made with that address, or the certificates that the environment names.
    """

    def __init__(self, settings: Settings, environment: Mapping[str, str]) -> None:
        self.settings = settings
        logging.getLogger("httpx").setLevel(logging.WARNING)  # it tells of every request
        try:
            self._client = httpx.Client(
                base_url=f"{settings.tracking_uri.rstrip('/')}/api/2.0/mlflow/",
                timeout=TIMEOUT,
                follow_redirects=True,
                headers=_authorization(environment),
                verify=_trust(environment),
            )
        except (httpx.InvalidURL, OSError) as error:
            raise unusable(settings, error) from error

    def find(self, name: str, alias: str) -> ModelVersion | None:
        """The version that carries `alias`, or None.

        Raises UserError `registry_error` where the server does not answer as MLflow does.
        """
        try:
            return self._find(name, alias)
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError) as error:
            raise unreachable(self.settings, error) from error

    def _find(self, name: str, alias: str) -> ModelVersion | None:
        model = self._get("registered-models/get", name=name)
        pairs = (model or {}).get("registered_model", {}).get("aliases", [])
        aliases = {pair["alias"]: int(pair["version"]) for pair in pairs}
        if alias not in aliases:
            return None
        number = aliases[alias]
        answer = self._get("model-versions/get", name=name, version=str(number))
        if answer is None:
            return None
        found = answer["model_version"]
        return ModelVersion(
            name=found["name"],
            version=number,
            run_id=found.get("run_id", ""),
            aliases=tuple(sorted(each for each, v in aliases.items() if v == number)),
            tags={tag["key"]: tag.get("value", "") for tag in found.get("tags", [])},
            created_at_ms=int(found["creation_timestamp"]),
        )

    def _get(self, path: str, **parameters: str) -> dict[str, Any] | None:
        """What the server answers; None where it has no such thing."""
        answer = self._client.get(path, params=parameters)
        if answer.is_error and answer.json().get("error_code") == MISSING:
            return None
        answer.raise_for_status()
        return dict(answer.json())


def _authorization(environment: Mapping[str, str]) -> dict[str, str]:
    """The header that MLflow's client sends for these variables, or for its credentials file."""
    names = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD")
    filed = configparser.ConfigParser(interpolation=None)
    filed.read(Path("~/.mlflow/credentials").expanduser())
    user, password = (
        str(environment.get(name) or filed.get("mlflow", name.lower(), fallback=""))
        for name in names
    )
    if user and password:
        secret = base64.b64encode(f"{user}:{password}".encode()).decode()
        return {"Authorization": f"Basic {secret}"}
    token = environment.get("MLFLOW_TRACKING_TOKEN")
    return {"Authorization": f"Bearer {token}"} if token else {}


def _trust(environment: Mapping[str, str]) -> ssl.SSLContext:
    """Whom to believe to be the server, and the certificate to show to it."""
    insecure = environment.get("MLFLOW_TRACKING_INSECURE_TLS", "").lower() in ("true", "1")
    places = ("MLFLOW_TRACKING_SERVER_CERT_PATH", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
    named = next(filter(None, map(environment.get, places)), None)
    if named is None or insecure:
        context = httpx.create_ssl_context(verify=not insecure)
    elif Path(named).is_dir():
        context = ssl.create_default_context(capath=named)
    else:
        context = ssl.create_default_context(cafile=named)
    if own := environment.get("MLFLOW_TRACKING_CLIENT_CERT_PATH"):
        context.load_cert_chain(own)
    return context
