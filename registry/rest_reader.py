"""Aliases by MLflow's REST API."""

from collections.abc import Mapping

from leafgate.settings import Settings
from registry.ledger import TAG
from registry.rest_client import RestClient, version_of
from registry.store import ModelVersion

PAGE, MOST_PAGES = 1000, 100  # versions an answer


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
            return self._version(name, aliases[alias], aliases)

    def version(self, name: str, number: int) -> ModelVersion | None:
        """See AliasReader."""
        with self._client.answering():
            return self._version(name, number, self._client.aliases(name))

    def audit_tags(self, name: str) -> tuple[str, ...]:
        """See AliasReader."""
        page: dict[str, str] = {"filter": f"name='{name}'", "max_results": str(PAGE)}
        found: list[str] = []
        with self._client.answering():
            for _ in range(MOST_PAGES):
                answer = self._client.ask("model-versions/search", **page) or {}
                for each in answer.get("model_versions", []):
                    tags = version_of(each, {}).tags
                    found += [text for key, text in tags.items() if key.startswith(TAG)]
                page["page_token"] = answer.get("next_page_token", "")
                if not page["page_token"]:
                    break
        return tuple(found)

    def _version(self, name: str, number: int, aliases: Mapping[str, int]) -> ModelVersion | None:
        answer = self._client.ask("model-versions/get", name=name, version=str(number))
        return version_of(answer["model_version"], aliases) if answer else None
