"""What the registry says of model versions, put together for the API's answers."""

from collections.abc import Sequence
from functools import cached_property
from urllib.parse import quote

from leafgate.audit import AuditRecord
from leafgate.errors import UserError
from leafgate.settings import Settings
from registry import (
    ModelVersion,
    RunMemory,
    gate_picture,
    gate_report,
    standing,
    study_of,
    version_reader,
)
from serving.version_answers import (
    ModelVersions,
    Studies,
    VersionStory,
    facts_of_version,
    story_of,
    study_result,
)

STUDIED = 20  # newest versions that are looked at for a study

Records = Sequence[AuditRecord]


class VersionStories:
    """Of the models in `settings`, asked by threads. Each call raises UserError `registry_error`
    where the registry does not answer. model: the name of one of the service's two.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @cached_property
    def _memory(self) -> RunMemory:
        """Made when it is first asked: a start should not wait for an HTTP client."""
        return RunMemory(version_reader(self.settings))

    def listed(self, model: str, limit: int, records: Records) -> ModelVersions:
        """The newest versions. records: the model's audit, oldest first."""
        held = standing(records).held
        return ModelVersions(
            versions=[
                facts_of_version(each, self._memory.run(each.run_id), held.get(each.version))
                for each in self._memory.reader.versions(model, limit)
            ]
        )

    def story(self, model: str, number: int, records: Records) -> VersionStory:
        """All of one. Raises UserError `no_such_version`, too."""
        version = self._version(model, number)
        run = self._memory.run(version.run_id)
        facts = facts_of_version(version, run, standing(records).held.get(number))
        hidden = run.tags.get("data.root", "") if run else ""
        return story_of(
            facts,
            version,
            run,
            self._memory.details(run) if run else None,
            gate_report(self._memory.reader, version, hidden),
            f"{self.settings.mlflow_address}/#/models/{quote(model, safe='')}/versions/{number}",
        )

    def picture(self, model: str, number: int, check: str) -> bytes:
        """The PNG of a check. Raises UserError `no_such_version` and `no_such_picture`, too."""
        version = self._version(model, number)
        found = gate_picture(self._memory.reader, version, check)
        if found is None:
            raise UserError(
                f"the gate report of {version} has no picture of {check[:80]!r}",
                "`pictures` in the report of the version lists them",
                code="no_such_picture",
            )
        return found

    def studies(self, model: str) -> Studies:
        """Of the newest versions that have one."""
        reader = self._memory.reader
        found = (
            (version.version, study_of(reader, version.run_id))
            for version in reader.versions(model, STUDIED)
        )
        return Studies(studies=[study_result(number, study) for number, study in found if study])

    def _version(self, model: str, number: int) -> ModelVersion:
        found = self._memory.reader.version(model, number)
        if found is None:
            raise UserError(
                f"{model} has no version {number}",
                f"GET /models/{model}/versions lists them",
                code="no_such_version",
            )
        return found
