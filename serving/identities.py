"""Who asked, as the request log may know it: by name, or by a pseudonym that a key makes.

The audit trail stays plain whatever the setting: it exists to say who put a model into production.
"""

from dataclasses import replace

from leafgate.pseudonyms import Kind, identity_key, pseudonym
from leafgate.settings import Settings
from sql.records import Entry


class Identities:
    """What the log writes of users, addresses and file names. Cheap; use from any thread.

    Raises UserError (see `identity_key`) where pseudonyms are wanted and there is no good key.
    """

    def __init__(self, settings: Settings) -> None:
        wanted = settings.log_identities == "pseudonyms"
        self._key = identity_key(settings) if wanted else None

    def user(self, name: str | None) -> str | None:
        """What stands for a user: the name, or `user-0123456789abcdef`."""
        return self._named("user", name)

    def source(self, address: str | None) -> str | None:
        """What stands for a client's address: itself, or `address-0123456789abcdef`."""
        return self._named("address", address)

    def file_name(self, name: str | None) -> str | None:
        """The file's name, or nothing: people name pictures after patients."""
        return name if self._key is None else None

    def of(self, entry: Entry) -> Entry:
        """The entry with none but the identities that the log may know; not to be done twice."""
        if self._key is None:
            return entry
        request, feedback = entry.request, entry.feedback
        return replace(
            entry,
            request=request
            and replace(
                request, user_name=self.user(request.user_name), source=self.source(request.source)
            ),
            predictions=tuple(
                replace(each, file_name=self.file_name(each.file_name))
                for each in entry.predictions
            ),
            feedback=feedback and replace(feedback, user_name=self.user(feedback.user_name)),
        )

    def _named(self, kind: Kind, name: str | None) -> str | None:
        return pseudonym(self._key, kind, name) if self._key is not None and name else name
