"""Tokens: one algorithm, every claim, keys that can be changed; whatever else is refused."""

import asyncio
import base64
import hashlib
import hmac
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from jose import jwt

from leafgate.errors import UserError
from leafgate.settings import Settings
from serving import token_keys, tokens
from serving.key_source import key_source
from serving.token_claims import Claims
from serving.tokens import Tokens, token_id_of
from tests.token_keys import (
    SECRET,
    claims,
    key_file,
    private_key,
    private_pem,
    public_der,
    public_pem,
    signed,
)

SCOPES = frozenset({"predict", "generate"})


def make(**settings: Any) -> Tokens:
    configured = Settings(_env_file=None, **{"jwt_secret": SECRET, **settings})
    return Tokens(configured, key_source(configured))


def with_keys(folder: Path, algorithm: str, *numbers: int) -> Tokens:
    files = [str(key_file(folder, algorithm, number)) for number in numbers or (0,)]
    return make(jwt_algorithm=algorithm, jwt_keys=", ".join(files), jwt_secret=None)


def read(service: Tokens, token: str) -> Claims:
    return asyncio.run(service.read(token))


def refusal(service: Tokens, token: str) -> str:
    with pytest.raises(UserError) as raised:
        read(service, token)
    assert "POST /token" in raised.value.fix
    return raised.value.code


def segment(value: object) -> str:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def forged(secret: bytes, **header: Any) -> str:
    """Signed by hand with HMAC, since jose refuses to sign with a public key."""
    start = f"{segment({'alg': 'HS256', 'typ': 'JWT', **header})}.{segment(claims())}"
    return f"{start}.{segment(hmac.digest(secret, start.encode(), 'sha256'))}"


@pytest.mark.parametrize("algorithm", ["HS256", "RS256", "ES256"])
def test_a_token_says_who_what_and_how_often(algorithm: str, tmp_path: Path) -> None:
    service = make() if algorithm == "HS256" else with_keys(tmp_path, algorithm)
    token = service.issue("Zoë", SCOPES, "plus")
    said = read(service, token)
    assert (said.subject, said.scopes, said.plan) == ("Zoë", SCOPES, "plus")
    assert said.issued_at < said.expires_at
    assert said.order == said.issued_at
    assert read(service, service.issue("Zoë", SCOPES, tokens_from=7.125)).order == 7.125
    assert said.token_id != read(service, service.issue("Zoë", SCOPES)).token_id
    header = jwt.get_unverified_header(token)
    assert header["alg"] == algorithm
    assert header["kid"] in service.source.keys.verifying


@pytest.mark.parametrize(
    ("told", "code"),
    [
        ({"exp": -6}, "token_expired"),
        ({"nbf": 60}, "token_invalid"),
        ({"iat": 60}, "token_invalid"),
        ({"iss": "others"}, "token_invalid"),
        ({"aud": "others"}, "token_invalid"),
        ({"aud": ["others", 7]}, "token_invalid"),
        ({"jti": ""}, "token_invalid"),
        ({"jti": "x" * 300}, "token_invalid"),
        ({"sub": ""}, "token_invalid"),
        *[({name: None}, "token_invalid") for name in tokens.REQUIRED_CLAIMS],
    ],
)
def test_a_claim_that_is_wrong_or_missing_is_refused(told: dict[str, Any], code: str) -> None:
    assert refusal(make(), signed(**told)) == code


@pytest.mark.parametrize("value", [float("inf"), float("nan"), [], {}, "soon", True, -1, 1e300])
@pytest.mark.parametrize("name", ["exp", "nbf", "iat", "tokens_from"])
def test_a_time_that_is_none_is_refused(name: str, value: Any) -> None:
    token = str(jwt.encode({**claims(), name: value}, SECRET))
    assert refusal(make(), token) in ("token_invalid", "token_expired")


def test_what_is_no_token_of_ours_is_refused() -> None:
    service, good = make(), signed()
    head, body, mark = good.split(".")
    none = segment({"alg": "none"})
    for token in (
        "",
        "nonsense",
        "..",
        "a.b.c",
        good[:-1],
        good[: len(good) // 2],
        f"{head}.{body}.",
        f"{none}.{body}.",
        f"{none}.{body}.{mark}",
        f"{segment({'alg': 'NONE'})}.{body}.",
        f"{segment({'alg': ['HS256']})}.{body}.{mark}",
        f"{segment([])}.{body}.{mark}",
        f"{segment(b'[' * 3000)}.{body}.{mark}",
        f"{head}.{segment({**claims(), 'sub': 'eve'})}.{mark}",
        "é.ü.ñ",
        "\udcff",
        "x" * 17_000,
        good + "A" * 5000,
        good + "A" * 17_000,
        signed(key="t" * 40),
        signed(algorithm="HS512"),
        signed(kid="unknown"),
        forged(SECRET.encode(), kid=["a"]),
        forged(SECRET.encode(), crit=["exp"]),
        str(jwt.encode({"sub": "ada"}, SECRET)),
    ):
        assert refusal(service, token) == "token_invalid", token
    assert read(service, good).subject == "ada"


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
def test_a_public_key_is_no_secret(algorithm: str, tmp_path: Path) -> None:
    service, key = with_keys(tmp_path, algorithm), private_key(algorithm)
    jwk = json.dumps(service.source.keys.public()[0])
    for secret in (public_pem(key), public_der(key), public_pem(key).strip(), jwk.encode()):
        (key_id,) = service.source.keys.verifying
        for token in (forged(secret), forged(secret, kid=key_id), forged(secret, alg=algorithm)):
            assert refusal(service, token) == "token_invalid"
    for text in (public_pem(key).decode(), private_pem(key).decode(), jwk, "ssh-rsa " + "A" * 40):
        with pytest.raises(UserError, match="LEAFGATE_JWT_SECRET is a key or a certificate"):
            make(jwt_secret=text)
        with pytest.raises(UserError, match="entry 1 of LEAFGATE_JWT_OLD_SECRETS"):
            make(jwt_old_secrets=text)


def test_a_token_of_another_algorithm_or_key_is_refused(tmp_path: Path) -> None:
    services = {name: with_keys(tmp_path, name) for name in ("RS256", "ES256")}
    services["HS256"] = make()
    issued = {name: service.issue("ada", SCOPES) for name, service in services.items()}
    for name, service in services.items():
        for other, token in issued.items():
            if other == name:
                assert read(service, token).subject == "ada"
            else:
                assert refusal(service, token) == "token_invalid"
    for name in ("RS256", "ES256"):
        stranger = private_key(name, 9)
        (key_id,) = services[name].source.keys.verifying
        for kid in (None, key_id, "unknown"):
            assert refusal(services[name], signed(stranger, name, kid)) == "token_invalid"


def test_a_key_in_the_token_itself_counts_for_nothing(tmp_path: Path) -> None:
    service, stranger = with_keys(tmp_path, "ES256"), private_key("ES256", 9)
    (tmp_path / "theirs").mkdir()
    theirs = with_keys(tmp_path / "theirs", "ES256", 9).source.keys.public()[0]
    for header in ({"jwk": theirs}, {"jku": "http://127.0.0.1:1/keys"}):
        token = jwt.encode(claims(), private_pem(stranger).decode(), "ES256", headers=header)
        assert refusal(service, token) == "token_invalid"


def test_secrets_are_changed_without_signing_anybody_out() -> None:
    before, after = make(), make(jwt_secret="n" * 40, jwt_old_secrets=f" {SECRET} , {'o' * 40}")
    old, new = before.issue("ada", SCOPES), after.issue("ada", SCOPES)
    assert read(after, old).subject == read(after, new).subject == "ada"
    assert refusal(before, new) == "token_invalid"
    assert refusal(make(jwt_secret="n" * 40), old) == "token_invalid"  # retired
    for secret in (SECRET, "n" * 40):
        assert secret[:8] not in " ".join(after.source.keys.verifying)
    assert hashlib.sha256(SECRET.encode()).hexdigest()[:16] not in after.source.keys.verifying


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
def test_key_files_are_changed_without_signing_anybody_out(algorithm: str, tmp_path: Path) -> None:
    before, during = with_keys(tmp_path, algorithm, 0), with_keys(tmp_path, algorithm, 1, 0)
    after = with_keys(tmp_path, algorithm, 1)
    old, new = before.issue("ada", SCOPES), during.issue("ada", SCOPES)
    assert read(during, old).subject == read(during, new).subject == "ada"
    assert read(after, new).subject == "ada"
    assert refusal(after, old) == "token_invalid"
    assert refusal(before, new) == "token_invalid"


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
def test_published_keys_verify_and_hold_nothing_secret(algorithm: str, tmp_path: Path) -> None:
    service = with_keys(tmp_path, algorithm, 1, 0)
    published = service.source.keys.public()
    token = service.issue("ada", SCOPES)
    kid = jwt.get_unverified_header(token)["kid"]
    (fitting,) = [key for key in published if key["kid"] == kid]
    assert jwt.decode(token, fitting, [algorithm], audience="leafgate-api")["sub"] == "ada"
    assert len(published) == 2
    assert all(
        set(key) <= {"kty", "n", "e", "crv", "x", "y", "use", "alg", "kid"} for key in published
    )
    assert make().source.keys.public() == []


def test_a_key_id_is_the_thumbprint_of_rfc_7638() -> None:
    n = (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_"
        "BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0"
        "_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWh"
        "AI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
    )
    key = token_keys.CLASSES["RS256"]({"kty": "RSA", "n": n, "e": "AQAB"}, "RS256")
    wanted = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
    assert token_keys.thumbprint(key, "RS256") == wanted


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"jwt_secret": None}, "LEAFGATE_JWT_SECRET is not set"),
        ({"jwt_secret": "short"}, "LEAFGATE_JWT_SECRET is too short"),
        ({"jwt_old_secrets": f"{'o' * 40},short"}, "entry 2 of LEAFGATE_JWT_OLD_SECRETS is short"),
        ({"jwt_algorithm": "RS256"}, "there is no key"),
        ({"jwt_algorithm": "RS256", "jwt_keys": "none.pem"}, "none.pem .* cannot be read"),
        ({"jwt_jwks": "keys.json"}, "LEAFGATE_JWT_JWKS with HS256"),
        ({"jwt_algorithm": "ES256", "jwt_jwks": "a", "jwt_keys": "b"}, "and LEAFGATE_JWT_KEYS"),
        ({"jwt_algorithm": "ES256", "jwt_jwks": "none.json"}, "none.json cannot be had"),
        ({"jwt_algorithm": "ES256", "jwt_jwks": "http://127.0.0.1:1/"}, "cannot be had"),
        ({"jwt_algorithm": "ES256", "jwt_jwks": "http://[nowhere"}, "cannot be had"),
    ],
)
def test_without_a_usable_key_there_is_no_service(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError, match=told):
        make(**settings)


def test_weak_foreign_and_public_keys_are_named_with_the_remedy(tmp_path: Path) -> None:
    files = {
        "weak": key_file(tmp_path, "RS256", 1, bits=1024),
        "other curve": key_file(tmp_path, "ES256", 2, curve="P-384"),
        "rsa": key_file(tmp_path, "RS256", 3),
        "ec": key_file(tmp_path, "ES256", 4),
        "public": tmp_path / "public.pem",
        "words": tmp_path / "words.pem",
    }
    files["public"].write_bytes(public_pem(private_key("ES256")))
    files["words"].write_text("these are words")
    for algorithm, name, told in (
        ("RS256", "weak", "2048 bits"),
        ("RS256", "ec", "RSA key"),
        ("RS256", "words", "no PEM"),
        ("ES256", "other curve", "P-256"),
        ("ES256", "rsa", "P-256"),
        ("ES256", "public", "cannot sign"),
    ):
        with pytest.raises(UserError, match=told) as raised:
            make(jwt_algorithm=algorithm, jwt_keys=str(files[name]))
        assert str(files[name]) in raised.value.problem
        assert "openssl" in raised.value.fix


def test_what_is_remembered_is_bounded_and_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    service = make()
    token = signed(exp=60)
    assert read(service, token) is read(service, token)  # verified once
    later = time.time() + 66
    monkeypatch.setattr(time, "time", lambda: later)
    assert refusal(service, token) == "token_expired"
    monkeypatch.undo()
    monkeypatch.setattr(tokens, "REMEMBERED", 3)
    for number in range(6):
        read(service, signed(jti=str(number)))
    assert len(service._known) == 3


def test_the_id_of_a_token_is_found_without_its_key() -> None:
    assert token_id_of(signed(key="t" * 40, jti="abc"))[0] == "abc"
    for text in ("nonsense", "a.b.c", signed(exp=None), signed(jti="x" * 300)):
        with pytest.raises(UserError, match="that is no token"):
            token_id_of(text)


def test_signatures_are_made_by_cryptography_and_never_by_ecdsa(tmp_path: Path) -> None:
    for algorithm in ("RS256", "ES256"):
        for key in with_keys(tmp_path, algorithm).source.keys.verifying.values():
            assert type(key).__module__ == "jose.backends.cryptography_backend"
    code = "import sys, serving.app; print([m for m in ('ecdsa', 'rsa') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
