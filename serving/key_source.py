"""Where the keys of the tokens come from: our own settings, or an identity provider's key set."""

from leafgate.errors import UserError
from leafgate.settings import Settings
from serving.token_keys import KeySet, own_keys


class KeySource:
    """Keys of our own, which change only with a restart."""

    def __init__(self, keys: KeySet) -> None:
        self.keys = keys

    def freshen(self) -> None:
        """Begin to look for changes, where it is time; returns at once."""

    async def look_again(self) -> None:
        """Look for changes now, unless that was done just before."""


def key_source(settings: Settings) -> KeySource:
    """Where `settings` say. Raises UserError where there is no usable key, or two sources."""
    if not settings.jwt_jwks:
        return KeySource(own_keys(settings))
    if settings.jwt_algorithm == "HS256" or settings.jwt_keys:
        raise UserError(
            f"LEAFGATE_JWT_JWKS with {settings.jwt_algorithm}"
            f"{' and LEAFGATE_JWT_KEYS' if settings.jwt_keys else ''}",
            "a provider's key set goes with LEAFGATE_JWT_ALGORITHM RS256 or ES256, and without "
            "keys of our own",
            code="no_token_key",
        )
    from serving.provided_keys import ProvidedKeys  # httpx, which others do without

    return ProvidedKeys(settings.jwt_jwks, settings.jwt_algorithm)
