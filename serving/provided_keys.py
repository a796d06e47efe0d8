"""Keys of an identity provider: its key set (JWKS), from a file or a URL.

A provider's set is fetched again for a key id that is not in it, at most once a minute, and every
ten minutes otherwise, so that retired keys go. While the provider is away the last good set stays.
"""

import asyncio
import logging
import time
from pathlib import Path

import httpx

from leafgate.errors import UserError
from leafgate.proxies import proxy_of
from leafgate.url_secrets import shown_error, shown_url
from serving.key_source import KeySource
from serving.token_keys import KeySet, provided_keys

log = logging.getLogger(__name__)

ASK_AGAIN_SECONDS = 60.0
REFRESH_SECONDS = 600.0
FETCH_SECONDS = 5.0
MOST_BYTES = 2**20


class ProvidedKeys(KeySource):
    """A provider's key set, from a file or a URL. Raises UserError where it cannot be had first."""

    def __init__(
        self, source: str, algorithm: str, ask_again_seconds: float = ASK_AGAIN_SECONDS
    ) -> None:
        self.source, self.algorithm, self.place = source, algorithm, shown_url(source)
        self.ask_again_seconds = ask_again_seconds
        self._asking: asyncio.Task[None] | None = None
        try:
            super().__init__(self._read(asyncio.run(self._fetch())))
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError, ImportError) as error:
            raise UserError(
                f"the key set at {self.place} cannot be had ({self._told(error)})",
                "check LEAFGATE_JWT_JWKS, and that it can be reached from here, by the proxy that "
                "the environment names or without one",
                code="no_token_key",
            ) from None
        self._asked = time.monotonic()

    def freshen(self) -> None:
        """Ask in the background every ten minutes."""
        if time.monotonic() - self._asked > REFRESH_SECONDS:
            self._ask()

    async def look_again(self) -> None:
        """Wait for the answer of one question, which those that come meanwhile share."""
        asking = self._asking
        if asking is None and time.monotonic() - self._asked >= self.ask_again_seconds:
            asking = self._ask()
        if asking is not None:
            await asyncio.shield(asking)

    def _ask(self) -> asyncio.Task[None]:
        self._asked = time.monotonic()
        self._asking = asyncio.create_task(self._refresh())
        return self._asking

    async def _refresh(self) -> None:
        try:
            self.keys = self._read(await self._fetch())
        except Exception as error:  # noqa: BLE001 - the last good set must outlive what happens
            told = self._told(error)
            log.warning("the key set at %s is kept as it was (%s)", self.place, told)
        finally:
            self._asking = None

    def _read(self, document: bytes) -> KeySet:
        return provided_keys(document, self.algorithm, self.place)

    def _told(self, error: Exception) -> str:
        """For the log and the start: without a password, or a key in the URL's query."""
        if isinstance(error, httpx.HTTPStatusError):  # its own words quote the URL
            return f"the answer was {error.response.status_code}"
        return shown_error(error)

    async def _fetch(self) -> bytes:
        if not self.source.startswith(("http://", "https://")):
            return await asyncio.to_thread(Path(self.source).read_bytes)
        document = b""
        async with (
            asyncio.timeout(FETCH_SECONDS),
            httpx.AsyncClient(transport=_transport(self.source)) as client,
            client.stream("GET", self.source) as answer,
        ):
            answer.raise_for_status()
            async for chunk in answer.aiter_bytes():
                document += chunk
                if len(document) > MOST_BYTES:
                    raise httpx.DecodingError(f"more than {MOST_BYTES:,} bytes")
        return document


def _transport(url: str) -> httpx.AsyncHTTPTransport:
    """Directly to a provider on this machine or in the stack, else by the environment's proxy."""
    return httpx.AsyncHTTPTransport(proxy=proxy_of(url))
