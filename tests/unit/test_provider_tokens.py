"""Tokens in the shapes of the usual identity providers: read as RFC 7519 allows, and revocable."""

import asyncio
import base64
import json
import time
from pathlib import Path
from typing import Any

import pytest
from jose import jwt

from leafgate.errors import UserError
from leafgate.settings import MAX_LEEWAY_SECONDS, Settings
from serving.key_source import key_source
from serving.revocation import Revocations
from serving.token_claims import Claims, stored_id
from serving.tokens import MAX_TOKEN_CHARACTERS, Tokens, token_id_of
from sql import add_user, delete_user, load_revoked, open_database, revoke_token, revoke_tokens_of
from tests.token_keys import key_file, private_key, private_pem

API = "https://leafgate.example"
NOW = time.time()
TIMES = {"iat": int(NOW), "exp": int(NOW) + 3600}
GROUPS = [f"3f2504e0-4f89-41d3-9a0c-0305e82c3{number:03}" for number in range(80)]

# What each provider writes, after its own documentation; names and ids are invented.
SHAPES: dict[str, dict[str, Any]] = {
    "auth0": {
        **TIMES,
        "iss": "https://leaf.eu.auth0.com/",
        "sub": "auth0|5f7c8ec7c33c6c004bbafe82",
        "aud": [API, "https://leaf.eu.auth0.com/userinfo"],
        "azp": "my_client_id",
        "scope": "openid profile predict",
        "permissions": ["feedback", "generate"],
    },
    "auth0 for a machine": {
        **TIMES,
        "iss": "https://leaf.eu.auth0.com/",
        "sub": "my_client_id@clients",
        "aud": API,
        "gty": "client-credentials",
        "scope": "predict",
    },
    "okta": {
        **TIMES,
        "ver": 1,
        "jti": "AT.0mP4JKAZX1iACIT4vbEDF7LpvDVjxypPMf0D7uX39RE",
        "iss": "https://leaf.okta.com/oauth2/default",
        "aud": API,
        "cid": "nmdP1fcyvdVO11AL7ECm",
        "uid": "00ulthapbErVUwVJy4x6",
        "scp": ["openid", "predict"],
        "sub": "ada@leaf.example",
    },
    "entra 1": {
        **TIMES,
        "nbf": int(NOW),
        "aud": API,
        "iss": "https://sts.windows.net/fa15d692-e9c7-4460-a743-29f29522229/",
        "appid": "75dbe77f-10a3-4e59-85fd-8c127544f17c",
        "scp": "predict generate",
        "sub": "l3_roISQU222bULS9yi2k0XpqpOiMz5H3ZACo1GeXA",
        "uti": "uqaZsOzMDU6YAA",
        "ver": "1.0",
    },
    "entra 2": {
        **TIMES,
        "nbf": int(NOW),
        "aud": API,
        "iss": "https://login.microsoftonline.com/72f988bf-86f1-41af-91ab-2d7cd011db47/v2.0",
        "groups": GROUPS,
        "roles": ["predict"],
        "sub": "HKZpfaHyWadeOouYlitjrI-KffTm222X5rrV3xDqfKQ",
        "ver": "2.0",
    },
    "keycloak": {
        **TIMES,
        "jti": "onrtac:5f7b1d2e-7f3c-4c1c-8d1d-0a1b2c3d4e5f",
        "iss": "https://sso.leaf.example/realms/leaf",
        "aud": [API, "account"],
        "sub": "f:2d8ba0a5:ada",
        "typ": "Bearer",
        "realm_access": {"roles": ["offline_access", "predict"]},
        "resource_access": {"leaf.gate": {"roles": ["feedback"]}, "account": {"roles": ["x"]}},
        "scope": "email profile",
    },
    "cognito": {
        **TIMES,
        "auth_time": int(NOW),
        "jti": "0a1b2c3d-4e5f-6789-abcd-ef0123456789",
        "iss": "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_example",
        "client_id": API,
        "token_use": "access",
        "cognito:groups": ["predict"],
        "scope": "aws.cognito.signin.user.admin leaf/predict",
        "sub": "aaaaaaaa-bbbb-cccc-dddd-example",
        "username": "ada",
    },
    "google": {
        **TIMES,
        "iss": "https://accounts.google.com",
        "azp": "1234.apps.googleusercontent.com",
        "aud": API,
        "sub": "10769150350006150715113082367",
        "at_hash": "HK6E_P6Dh8Y93mRNtsDB1Q",
        "email": "ada@leaf.example",
        "email_verified": True,
    },
}


def encoded(claims: dict[str, Any], **header: Any) -> str:
    """Signed by the provider."""
    material = private_pem(private_key("RS256")).decode()
    return str(jwt.encode(claims, material, "RS256", headers={"typ": "at+jwt", **header}))


@pytest.fixture
def make(tmp_path: Path) -> Any:
    """A service that trusts a provider's key set, as it is published: other keys beside ours."""
    from serving.token_keys import own_keys

    files = str(key_file(tmp_path, "RS256"))
    own = Settings(_env_file=None, jwt_algorithm="RS256", jwt_keys=files)  # type: ignore[arg-type]
    (good,) = own_keys(own).public()
    plain = {name: good[name] for name in ("kty", "n", "e")}  # neither alg nor use, as Entra's
    odd: list[Any] = [
        {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
        {"kty": "oct", "k": "c2VjcmV0", "kid": "ours"},
        {**plain, "use": "enc", "alg": "RSA-OAEP", "kid": "encrypts"},
        {**plain, "kid": "odd", "key_ops": 7, "use": None, "alg": None},
        None,
    ]
    ours = {
        **plain,
        "kid": "ours",
        "x5c": ["MIIC"],
        "x5t": "dGh1bWI",
        "issuer": "x",
        "key_ops": None,
    }
    (tmp_path / "keys.json").write_text(json.dumps({"keys": [*odd, ours]}))

    def made(issuer: str, **settings: Any) -> Tokens:
        given = {
            "jwt_algorithm": "RS256",
            "jwt_jwks": str(tmp_path / "keys.json"),
            "jwt_issuer": issuer,
            "jwt_audience": API,
            **settings,
        }
        configured = Settings(_env_file=None, **given)
        return Tokens(configured, key_source(configured))

    return made


def read(service: Tokens, token: str) -> Claims:
    return asyncio.run(service.read(token))


def refusal(service: Tokens, token: str) -> str:
    with pytest.raises(UserError) as raised:
        read(service, token)
    return raised.value.code


@pytest.mark.parametrize("name", SHAPES)
def test_the_token_of_a_provider_is_read(make: Any, name: str) -> None:
    told = SHAPES[name]
    service = make(told["iss"])
    for kid in ("ours", None, "odd"):
        said = read(service, encoded(told, **({"kid": kid} if kid else {})))
        assert said.subject == told["sub"]
        assert said.token_id


@pytest.mark.parametrize(
    ("name", "claims", "scopes"),
    [
        ("auth0", "scope,permissions", {"openid", "profile", "predict", "feedback", "generate"}),
        ("auth0", "scope", {"openid", "profile", "predict"}),
        ("okta", "scp", {"openid", "predict"}),
        ("entra 1", " scp , roles ", {"predict", "generate"}),
        ("entra 2", "scp,roles", {"predict"}),
        ("keycloak", "realm_access.roles", {"offline_access", "predict"}),
        ("keycloak", "resource_access.leaf.gate.roles", {"feedback"}),
        ("keycloak", "resource_access.nobody.roles,scope.x,typ.x", set()),
        ("cognito", "cognito:groups", {"predict"}),
        ("google", "scope,scp,roles,permissions", set()),
        ("okta", "", set()),
    ],
)
def test_scopes_are_read_where_the_setting_says(
    make: Any, name: str, claims: str, scopes: set[str]
) -> None:
    told = SHAPES[name]
    assert read(make(told["iss"], jwt_scope_claims=claims), encoded(told)).scopes == scopes


def test_scopes_behind_a_prefix_are_those_of_this_service_alone(make: Any) -> None:
    told = {**SHAPES["cognito"], "scope": "admin other/generate leaf/predict"}
    assert read(make(told["iss"], jwt_scope_prefix="leaf/"), encoded(told)).scopes == {"predict"}


@pytest.mark.parametrize("claim", ["scope", "nbf", "iat", "jti", "plan"])
def test_an_optional_claim_may_be_null_or_missing(make: Any, claim: str) -> None:
    whole = {**SHAPES["entra 1"], "jti": "1", "scope": "predict", "plan": "standard"}
    service = make(whole["iss"])
    missing = {name: value for name, value in whole.items() if name != claim}
    for told in ({**whole, claim: None}, missing):
        said = read(service, encoded(told))
        assert said.scopes == ({"predict"} if claim != "scope" else set())


@pytest.mark.parametrize("claim", ["iss", "aud", "sub", "exp"])
def test_a_required_claim_may_not(make: Any, claim: str) -> None:
    whole = SHAPES["okta"]
    missing = {name: value for name, value in whole.items() if name != claim}
    for told in ({**whole, claim: None}, missing):
        with pytest.raises(UserError) as raised:
            read(make(whole["iss"]), encoded(told))
        assert raised.value.code == "token_invalid"
        assert "NoneType" not in raised.value.problem  # no words of Python's


@pytest.mark.parametrize(
    "changed",
    [
        {"client_id": "another"},
        {"token_use": "id"},
        {"token_use": None},
        {"client_id": [API]},
        {"aud": "another"},
        {"aud": None},
        {"aud": []},
        {"aud": {"0": API}},
        {"aud": API[:-1]},
        {"scope": 7},
        {"scope": {"predict": True}},
        {"scope": ["predict", 7]},
        {"nbf": "soon"},
        {"iat": True},
        {"jti": 7},
        {"sub": "x" * 256},
        {"sub": ["ada"]},
    ],
)
def test_what_is_wrong_stays_refused(make: Any, changed: dict[str, Any]) -> None:
    told = SHAPES["cognito"]
    assert refusal(make(told["iss"]), encoded({**told, **changed})) == "token_invalid"


def test_a_client_stands_for_the_audience_only_where_a_provider_issues(tmp_path: Path) -> None:
    secret = "s" * 40
    settings = Settings(_env_file=None, jwt_secret=secret)  # type: ignore[arg-type]
    told = {**SHAPES["cognito"], "iss": "leafgate", "client_id": "leafgate-api"}
    service = Tokens(settings, key_source(settings))
    assert refusal(service, str(jwt.encode(told, secret))) == "token_invalid"


def test_a_token_with_eighty_groups_is_read_and_one_beyond_the_bound_is_not(make: Any) -> None:
    told = SHAPES["entra 2"]
    service, token = make(told["iss"]), encoded(told)
    assert 4096 < len(token) < MAX_TOKEN_CHARACTERS == 16 * 1024
    assert read(service, token) is read(service, token)
    room = (MAX_TOKEN_CHARACTERS - len(token)) * 3 // 4 - 60
    assert read(service, encoded({**told, "more": "x" * room})).subject == told["sub"]
    assert refusal(service, encoded({**told, "more": "x" * (room + 200)})) == "token_invalid"


def test_what_is_remembered_of_long_tokens_is_bounded(make: Any) -> None:
    told = SHAPES["okta"]
    service = make(told["iss"], jwt_scope_claims="scp")
    read(service, encoded(told))
    read(service, encoded({**told, "scp": [str(number) for number in range(500)]}))
    assert [len(key) for key in service._known] == [32]


@pytest.mark.parametrize(
    ("leeway", "changed", "code"),
    [
        (5, {"exp": -3}, ""),
        (5, {"exp": -8}, "token_expired"),
        (0, {"exp": -2}, "token_expired"),
        (60, {"exp": -50}, ""),
        (5, {"nbf": 3}, ""),
        (5, {"nbf": 30}, "token_invalid"),
        (5, {"iat": 3}, ""),
        (5, {"iat": 30}, "token_invalid"),
        (60, {"iat": 30, "nbf": 30}, ""),
    ],
)
def test_clocks_may_differ_by_the_leeway(
    make: Any, leeway: float, changed: dict[str, float], code: str
) -> None:
    told = {**SHAPES["okta"], **{name: time.time() + at for name, at in changed.items()}}
    service = make(told["iss"], jwt_leeway_seconds=leeway)
    if code:
        assert refusal(service, encoded(told)) == code
    else:
        assert read(service, encoded(told)).subject == told["sub"]


def test_five_seconds_are_the_default_and_five_minutes_the_most() -> None:
    assert Settings(_env_file=None).jwt_leeway_seconds == 5  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="jwt_leeway_seconds"):
        Settings(_env_file=None, jwt_leeway_seconds=MAX_LEEWAY_SECONDS + 1)  # type: ignore[call-arg]


def other_spellings(token: str) -> list[str]:
    """The same signed content with its signature written in another way."""
    start, _, mark = token.rpartition(".")
    data = base64.urlsafe_b64decode(mark + "=" * (-len(mark) % 4))
    return [f"{start}.{mark}==", f"{start}.{base64.b64encode(data).decode()}"]


@pytest.mark.parametrize(
    "jti", [None, "plain-id", "名前", "with blank ", "deleted-user:x", "é" * 255]
)
def test_every_token_can_be_revoked(make: Any, tmp_path: Path, jti: str | None) -> None:
    from sql import migrate

    database = open_database(f"sqlite:///{tmp_path / 'log.db'}")
    migrate(database)
    told = {**SHAPES["okta"], "jti": jti}
    service, token = make(told["iss"]), encoded(told)
    other = read(service, encoded({**told, "sub": "eve", "jti": "other" if jti else None}))
    process = Revocations(database, 3600, own_users=False)
    process.start()
    said = read(service, token)
    process.require_valid(said)
    assert token_id_of(f" Bearer {token}\n")[0] == said.token_id
    if jti is not None:
        assert stored_id(jti) == said.token_id
    revoke_token(database, *token_id_of(token), "admin")
    process.refresh()
    for spelling in (token, *other_spellings(token)):
        try:
            again = read(service, spelling)
        except UserError:
            continue
        with pytest.raises(UserError, match="revoked"):
            process.require_valid(again)
    process.require_valid(other)
    process.stop()
    (kept,) = load_revoked(database).tokens
    assert kept.isascii()
    assert len(kept) <= 255
    database.dispose()


@pytest.mark.parametrize(
    "copied",
    [
        lambda token: "\n".join(token[at : at + 64] for at in range(0, len(token), 64)),
        lambda token: f"{token[:30]}  {token[30:]}",
        lambda token: f"Authorization: Bearer {token}",
        lambda token: f"bearer {token}\r\n",
        lambda token: f"'{token}'",
    ],
    ids=["wrapped", "with blanks", "with its header", "lower case", "quoted"],
)
def test_a_copied_token_is_revoked_as_the_service_knows_it(make: Any, copied: Any) -> None:
    told = {**SHAPES["okta"], "jti": None}
    token = encoded(told)
    assert token_id_of(copied(token))[0] == read(make(told["iss"]), token).token_id


@pytest.mark.parametrize("changed", ["=.", "!.", "..", "é."])
def test_what_is_no_whole_token_is_not_said_to_be_revoked(changed: str) -> None:
    token = encoded({**SHAPES["okta"], "jti": None}).replace(".", changed, 1)
    with pytest.raises(UserError, match="no token"):
        token_id_of(token)


def test_a_revocation_outlives_the_leeway_and_an_expiry_in_the_far_future(tmp_path: Path) -> None:
    from sql import migrate

    database = open_database(f"sqlite:///{tmp_path / 'log.db'}")
    migrate(database)
    for at in (-2, 2**39):
        told = {**SHAPES["okta"], "jti": str(at), "exp": time.time() + at}
        revoke_token(database, *token_id_of(encoded(told)), "admin")
    assert load_revoked(database).tokens == {"-2", str(2**39)}
    database.dispose()


def test_a_token_that_does_not_say_when_it_was_issued_ends_with_its_users(tmp_path: Path) -> None:
    from sql import migrate

    database = open_database(f"sqlite:///{tmp_path / 'log.db'}")
    migrate(database)
    add_user(database, "ada", "hash", ["predict"])
    token = Claims("ada", frozenset({"predict"}), token_id="1")
    process = Revocations(database, 3600, own_users=False)
    process.start()
    process.require_valid(token)
    revoke_tokens_of(database, "ada")
    process.refresh()
    with pytest.raises(UserError, match="revoked"):
        process.require_valid(token)
    process.stop()
    own = Revocations(database, 3600, own_users=True)  # one of ours always says
    delete_user(database, "ada", "admin")
    own.start()
    with pytest.raises(UserError):
        own.require_valid(token)
    own.stop()
    database.dispose()
