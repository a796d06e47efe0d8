"""An identity provider's key set: fetched over HTTP, followed as it changes, and kept meanwhile."""

import asyncio
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from leafgate.errors import UserError
from leafgate.settings import Settings
from serving import provided_keys as module
from serving.provided_keys import ProvidedKeys
from serving.token_claims import Claims
from serving.token_keys import KeySet, own_keys, provided_keys
from serving.tokens import Tokens
from tests.token_keys import key_file, private_key, signed


class Provider:
    """A real little web server with a key set that can be changed. asked: how often it was."""

    def __init__(self) -> None:
        self.asked, self.status = 0, 200
        self.document: Any = {"keys": []}
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/keys"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.asked += 1
                self.send_response(provider.status)
                self.end_headers()
                self.wfile.write(json.dumps(provider.document).encode())

            def log_message(self, *_: object) -> None:
                """Quiet."""

        return Handler


@pytest.fixture
def provider() -> Iterator[Provider]:
    running = Provider()
    yield running
    running.server.shutdown()
    running.server.server_close()


def public(folder: Path, *numbers: int, algorithm: str = "RS256") -> list[dict[str, str]]:
    files = ",".join(str(key_file(folder, algorithm, number)) for number in numbers)
    settings = Settings(_env_file=None, jwt_algorithm=algorithm, jwt_keys=files)  # type: ignore[arg-type]
    return own_keys(settings).public()


def trusting(source: str, ask_again_seconds: float = 0.0) -> Tokens:
    settings = Settings(_env_file=None, jwt_algorithm="RS256", jwt_jwks=source)
    return Tokens(settings, ProvidedKeys(source, "RS256", ask_again_seconds))


def token(number: int, kid: str | None) -> str:
    return signed(private_key("RS256", number), "RS256", kid)


async def code(service: Tokens, text: str) -> str:
    """The refusal's code, or the subject."""
    try:
        return (await service.read(text)).subject
    except UserError as error:
        return error.code


def test_a_key_that_the_provider_adds_is_found_and_one_it_retires_is_refused(
    provider: Provider, tmp_path: Path
) -> None:
    first, second = public(tmp_path, 0, 1)
    provider.document = {"keys": [first]}
    service = trusting(provider.url)
    old, new = token(0, first["kid"]), token(1, second["kid"])

    async def story() -> None:
        assert await code(service, old) == "ada"
        assert await code(service, new) == "token_invalid"
        provider.document = {"keys": [first, second]}
        assert await code(service, new) == "ada"
        assert await code(service, old) == "ada"
        provider.document = {"keys": [second]}
        await service.source.look_again()
        assert await code(service, old) == "token_invalid"  # though it was remembered
        assert await code(service, new) == "ada"

    asyncio.run(story())


def test_a_flood_of_unknown_keys_asks_the_provider_once(provider: Provider, tmp_path: Path) -> None:
    first, second = public(tmp_path, 0, 1)
    provider.document = {"keys": [first]}
    service = trusting(provider.url)
    provider.document = {"keys": [first, second]}

    async def story() -> None:
        found = await asyncio.gather(*(code(service, token(1, second["kid"])) for _ in range(20)))
        assert found == ["ada"] * 20  # those that came meanwhile shared the answer
        assert provider.asked == 2
        assert isinstance(service.source, ProvidedKeys)
        service.source.ask_again_seconds = 60.0
        for number in range(20):
            assert await code(service, token(1, f"unknown {number}")) == "token_invalid"
        assert provider.asked == 2

    asyncio.run(story())


@pytest.mark.parametrize("trouble", ["down", "error", "words", "empty", "huge"])
def test_the_last_good_set_is_kept_while_the_provider_is_in_trouble(
    trouble: str, provider: Provider, tmp_path: Path
) -> None:
    (first,) = public(tmp_path, 0)
    provider.document = {"keys": [first]}
    service = trusting(provider.url)
    if trouble == "down":
        provider.server.shutdown()
        provider.server.server_close()
    provider.status = 500 if trouble == "error" else 200
    answers = {"words": "words", "empty": {"keys": []}, "huge": {"keys": ["x" * 2**20]}}
    provider.document = answers.get(trouble, provider.document)

    async def story() -> None:
        await service.source.look_again()
        assert await code(service, token(0, first["kid"])) == "ada"
        assert await code(service, token(1, "unknown")) == "token_invalid"

    asyncio.run(story())


def test_the_set_is_fetched_again_in_the_background(
    provider: Provider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = public(tmp_path, 0, 1)
    provider.document = {"keys": [first]}
    service = trusting(provider.url)
    monkeypatch.setattr(module, "REFRESH_SECONDS", 0.0)
    provider.document = {"keys": [second]}

    async def story() -> None:
        assert await code(service, token(0, first["kid"])) == "ada"  # it did not wait
        while service.source.keys.of(first["kid"]):
            await asyncio.sleep(0.01)
        assert await code(service, token(0, first["kid"])) == "token_invalid"

    asyncio.run(story())


def test_a_set_may_be_a_file_and_its_owner_signs_nobody_in(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.write_text(json.dumps({"keys": public(tmp_path, 0)}))
    service = trusting(str(file))
    said: Claims = asyncio.run(service.read(token(0, None)))
    assert said.plan == "standard"
    with pytest.raises(UserError) as raised:
        service.issue("ada", frozenset({"predict"}))
    assert raised.value.code == "sign_in_elsewhere"


def test_only_keys_that_are_meant_and_strong_enough_are_taken(tmp_path: Path) -> None:
    (good,) = public(tmp_path, 0)
    (curve,) = public(tmp_path, 0, algorithm="ES256")
    useless: list[Any] = [
        {**good, "use": "enc", "kid": "1"},
        {**good, "alg": "RS512", "kid": "2"},
        {**good, "key_ops": ["encrypt"], "kid": "3"},
        {**good, "n": good["n"][:100], "kid": "4"},
        {"kty": "RSA", "kid": "5"},
        {"kty": "oct", "k": "c2VjcmV0", "kid": "6"},
        {**curve, "kid": "7"},
        "words",
    ]
    found = provided_keys(json.dumps({"keys": [*useless, good]}), "RS256", "x")
    assert set(found.verifying) == {good["kid"]}
    assert isinstance(found, KeySet)
    assert found.signing is None
    documents: list[Any] = [{"keys": useless}, {}, [], {"keys": 7}]
    for document in documents:
        with pytest.raises(UserError, match="cannot be used for tokens"):
            provided_keys(json.dumps(document), "RS256", "x")


@pytest.mark.parametrize("status", [404, 200])
def test_the_address_of_a_key_set_is_told_without_what_signs_in_there(
    provider: Provider, status: int
) -> None:
    provider.status = status  # with 200 it is a set without keys
    url = provider.url.replace("//", "//ada:hunter2@") + "?code=hunter3"
    with pytest.raises(UserError) as refused:
        ProvidedKeys(url, "RS256")
    assert provider.url in refused.value.problem
    assert "hunter" not in str(refused.value)


def test_no_part_of_a_proxys_password_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://ada:hunter2/word@proxy.example:3128")
    with pytest.raises(UserError, match="the proxy's, cannot be read") as refused:
        ProvidedKeys("http://provider.example/keys", "RS256")
    assert "hunter" not in str(refused.value)
