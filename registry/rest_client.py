"""MLflow's public REST API (docs: mlflow.org, REST API 2.0), signed in as its own client is.

https://mlflow.org/docs/latest/api_reference/rest-api.html
"""

import base64
import configparser
import logging
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from leafgate.proxies import proxy_of
from leafgate.settings import Settings
from leafgate.url_secrets import require_readable
from registry.connection import unusable
from registry.store import ModelVersion
from registry.store_file import SETTING, unreachable

TIMEOUT = httpx.Timeout(5.0, connect=2.0)  # seconds
MISSING = "RESOURCE_DOES_NOT_EXIST"
API = "api/2.0/mlflow/"
NOT_LET_IN = (401, 403)


class RestClient:
    """An MLflow server, over kept connections. UserError `bad_tracking_uri` where none can be made
    with that address, or the certificates that the environment names.
    """

    def __init__(self, settings: Settings, environment: Mapping[str, str]) -> None:
        self.settings = settings
        require_readable(settings.tracking_uri, SETTING, "bad_tracking_uri")
        logging.getLogger("httpx").setLevel(logging.WARNING)  # it tells of every request
        try:
            self._http = httpx.Client(
                base_url=f"{settings.tracking_uri.rstrip('/')}/",
                timeout=TIMEOUT,
                follow_redirects=True,
                headers=_authorization(environment),
                transport=httpx.HTTPTransport(
                    verify=_trust(environment), proxy=proxy_of(settings.tracking_uri)
                ),
            )
        except (httpx.InvalidURL, OSError, ValueError, ImportError) as error:
            raise unusable(settings, error) from error

    def ask(self, path: str, /, **parameters: str | list[str]) -> dict[str, Any] | None:
        """What the server answers; None where it has no such thing.

        Raises what `answering` turns into a UserError.
        """
        answer = self._http.get(f"{API}{path}", params=parameters)
        _require_let_in(answer)
        if answer.is_error and answer.json().get("error_code") == MISSING:
            return None
        answer.raise_for_status()
        return dict(answer.json())

    def file(self, run_id: str, path: str, most_bytes: int) -> bytes:
        """A file of a run, of which no more than one byte too many is read. Raises as `ask`."""
        asked = {"run_uuid": run_id, "path": path}
        with self._http.stream("GET", "get-artifact", params=asked) as answer:
            answer.raise_for_status()
            found = bytearray()
            for part in answer.iter_bytes():
                found += part
                if len(found) > most_bytes:
                    break
        return bytes(found[: most_bytes + 1])

    def aliases(self, name: str) -> dict[str, int]:
        """Which version each alias of a model means; none of an unknown one. Raises as `ask`."""
        model = self.ask("registered-models/get", name=name)
        pairs = (model or {}).get("registered_model", {}).get("aliases", [])
        return {pair["alias"]: int(pair["version"]) for pair in pairs}

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Raise UserError `registry_error` where the server does not answer as MLflow does."""
        try:
            yield
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError) as error:
            raise unreachable(self.settings, error) from error


def _require_let_in(answer: httpx.Response) -> None:
    """Raises where the server does not let us in: what it says then is made for browsers."""
    if answer.status_code in NOT_LET_IN:
        raise httpx.HTTPStatusError(
            f"{answer.status_code} {answer.reason_phrase}; are MLFLOW_TRACKING_USERNAME and "
            "_PASSWORD, or _TOKEN, those of a user there who may do this?",
            request=answer.request,
            response=answer,
        )


def version_of(found: dict[str, Any], aliases: Mapping[str, int]) -> ModelVersion:
    """A version as the server tells of it."""
    number = int(found["version"])
    return ModelVersion(
        name=found["name"],
        version=number,
        run_id=found.get("run_id", ""),
        aliases=tuple(sorted(alias for alias, each in aliases.items() if each == number)),
        tags={tag["key"]: tag.get("value", "") for tag in found.get("tags", [])},
        created_at_ms=int(found["creation_timestamp"]),
    )


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
