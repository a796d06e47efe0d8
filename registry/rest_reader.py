"""Aliases by MLflow's REST API."""

from collections.abc import Mapping

from leafgate.settings import Settings
from registry.rest_client import RestClient, version_of
from registry.store import ModelVersion


class RestReader:
    """Asks an MLflow server. UserError `bad_tracking_uri` where it cannot be asked at all."""

    def __init__(self, settings: Settings, environment: Mapping[str, str]) -> None:
        self._client = RestClient(settings, environment)

    def find(self, name: str, alias: str) -> ModelVersion | None:
        """See AliasReader."""
        with self._client.answering():
            aliases = self._client.aliases(name)
            if alias not in aliases:
                return None
            number = str(aliases[alias])
            answer = self._client.ask("model-versions/get", name=name, version=number)
            return version_of(answer["model_version"], aliases) if answer else None
