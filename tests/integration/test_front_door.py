"""The front door over HTTP: keys, revocation, plans and what calls cost."""

import json
import math
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from jose import jwt

from leafgate.errors import UserError
from serving.app import create_app
from serving.token_keys import own_keys
from sql import (
    add_user,
    delete_user,
    find_user,
    load_revoked,
    open_database,
    revoke_token,
    revoke_tokens_of,
    set_disabled,
    set_plan,
    set_scopes,
)
from tests.databases import rename_table
from tests.integration.conftest import (
    PASSWORD,
    MakeApi,
    RunningApi,
    api_settings,
    starting_apis,
)
from tests.integration.test_api_answers import eventually
from tests.token_keys import key_file, private_key, signed


@pytest.fixture(scope="module")
def shared_api(empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApi]:
    """One for what changes nothing of importance to others."""
    folder = tmp_path_factory.mktemp("shared")
    shutil.copytree(empty_store, folder / "var")
    with starting_apis() as start:
        yield start(api_settings(folder / "var", folder, model_poll_seconds=60))


def sign_in(api: RunningApi, name: str = "ada", password: str = PASSWORD) -> httpx.Response:
    return httpx.post(f"{api.url}/token", data={"username": name, "password": password})


def code(answer: httpx.Response) -> str:
    return str(answer.json()["code"])


def generate(api: RunningApi, n: int = 1, token: str | None = None) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return api.client.post("/generate", json={"n": n}, headers=headers)


def is_let_in(api: RunningApi, token: str) -> bool:
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.get(f"{api.url}/models", headers=headers).status_code == 200


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
def test_a_service_with_key_files_publishes_what_verifies_its_tokens(
    algorithm: str, tmp_path: Path, make_api: MakeApi
) -> None:
    files = f"{key_file(tmp_path, algorithm, 1)},{key_file(tmp_path, algorithm, 0)}"
    api = make_api(jwt_algorithm=algorithm, jwt_keys=files)
    token = api.token()
    assert is_let_in(api, token)
    assert is_let_in(api, signed(private_key(algorithm, 0), algorithm))  # the key before
    answer = httpx.get(f"{api.url}/.well-known/jwks.json")
    keys = {key["kid"]: key for key in answer.json()["keys"]}
    assert "max-age" in answer.headers["Cache-Control"]
    key = keys[jwt.get_unverified_header(token)["kid"]]
    assert jwt.decode(token, key, [algorithm], audience="leafgate-api")["sub"] == "ada"
    for wrong in (signed(), signed(private_key(algorithm, 9), algorithm), token[:-4]):
        answer = api.client.get("/models", headers={"Authorization": f"Bearer {wrong}"})
        assert (answer.status_code, code(answer)) == (401, "token_invalid")


def test_a_service_with_a_secret_publishes_no_keys(make_api: MakeApi) -> None:
    answer = httpx.get(f"{make_api().url}/.well-known/jwks.json")
    assert (answer.status_code, code(answer)) == (404, "no_public_keys")


def test_a_service_of_an_identity_provider_signs_nobody_in(
    tmp_path: Path, make_api: MakeApi
) -> None:
    provider = {"jwt_algorithm": "ES256", "jwt_keys": str(key_file(tmp_path, "ES256"))}
    keys = own_keys(api_settings(tmp_path, tmp_path, **provider)).public()
    (tmp_path / "jwks.json").write_text(json.dumps({"keys": keys}))
    api = make_api(jwt_algorithm="ES256", jwt_jwks=str(tmp_path / "jwks.json"), jwt_secret=None)
    answer = sign_in(api)
    assert (answer.status_code, code(answer)) == (404, "sign_in_elsewhere")
    assert is_let_in(api, signed(private_key("ES256"), "ES256"))
    assert not is_let_in(api, signed(private_key("ES256", 9), "ES256"))
    groups = [f"3f2504e0-4f89-41d3-9a0c-0305e82c{number:04}" for number in range(220)]
    optional: dict[str, Any] = dict.fromkeys(("jti", "nbf", "iat"))
    long = signed(
        private_key("ES256"), "ES256", sub="auth0|" + "🍂" * 200, groups=groups, **optional
    )
    assert 12_000 < len(long) < 16_000
    assert is_let_in(api, long)
    headers = {"Authorization": f"Bearer {long}"}
    assert (
        httpx.post(f"{api.url}/token/revoke", headers=headers).json()["jti"].startswith("sha256:")
    )
    assert not is_let_in(api, long)


def test_a_token_that_its_owner_revokes_is_refused_at_once(
    make_api: MakeApi,
) -> None:
    api = make_api()
    revoked, kept = api.token(), api.token()
    answer = httpx.post(f"{api.url}/token/revoke", headers={"Authorization": f"Bearer {revoked}"})
    assert answer.status_code == 200
    assert answer.json()["jti"] == jwt.get_unverified_claims(revoked)["jti"]
    refused = generate(api, token=revoked)
    assert (refused.status_code, code(refused)) == (401, "token_revoked")
    assert is_let_in(api, kept)


def test_another_process_hears_of_a_revocation(make_api: MakeApi) -> None:
    api = make_api()
    database = open_database(api.settings.database)
    token = api.token()
    claims = jwt.get_unverified_claims(token)
    assert is_let_in(api, token)
    revoke_token(database, claims["jti"], claims["exp"], "another process")
    assert eventually(lambda: not is_let_in(api, token))
    assert is_let_in(api, api.token())
    revoke_token(database, claims["jti"], claims["exp"], "again")  # changes nothing


def test_only_an_admin_revokes_the_tokens_of_others(make_api: MakeApi) -> None:
    api = make_api()
    token = api.token("eve")
    jti = {"jti": jwt.get_unverified_claims(token)["jti"]}
    refused = api.client.post("/token/revoke", data=jti)
    assert (refused.status_code, code(refused)) == (403, "scope_missing")
    assert is_let_in(api, token)
    database = open_database(api.settings.database)
    set_scopes(database, "ada", ["admin"])
    admin = {"Authorization": f"Bearer {api.token()}"}
    assert api.client.post("/token/revoke", data=jti, headers=admin).status_code == 200
    assert not is_let_in(api, token)
    assert (
        api.client.post("/token/revoke", data={"jti": "x" * 256}, headers=admin).status_code == 422
    )


@pytest.mark.parametrize("deed", ["revoked", "disabled", "scopes"])
def test_what_happens_to_a_user_happens_to_their_tokens(deed: str, make_api: MakeApi) -> None:
    api = make_api()
    database, token, other = open_database(api.settings.database), api.token(), api.token("eve")
    deeds: dict[str, Callable[[], Any]] = {
        "revoked": lambda: revoke_tokens_of(database, "ada"),
        "disabled": lambda: set_disabled(database, "ada", True),
        "scopes": lambda: set_scopes(database, "ada", ["predict"]),
    }
    deeds[deed]()
    assert eventually(lambda: not is_let_in(api, token))
    assert code(generate(api, token=token)) == "token_revoked"
    assert is_let_in(api, other)
    if deed == "disabled":
        assert code(sign_in(api)) == "bad_credentials"
        set_disabled(database, "ada", False)
        assert eventually(lambda: is_let_in(api, token))
    else:
        assert is_let_in(api, api.token())


@pytest.mark.parametrize(
    "wrong",
    [
        *({name: "\ud800"} for name in ("sub", "jti", "plan")),
        *({name: "a\0b"} for name in ("sub", "jti", "plan")),
        *({name: "x" * 2000} for name in ("sub", "jti", "plan")),
        *({name: ["ada"]} for name in ("sub", "jti", "plan")),
        *({"scope": scope} for scope in (["predict", 7], {"predict": 1}, True)),
    ],
    ids=str,
)
def test_a_claim_that_cannot_be_stored_makes_a_token_invalid(
    wrong: dict[str, Any], shared_api: RunningApi
) -> None:
    headers = {"Authorization": f"Bearer {signed(**wrong)}"}
    for method, path in (("GET", "/models"), ("POST", "/token/revoke"), ("POST", "/generate")):
        answer = httpx.request(method, f"{shared_api.url}{path}", headers=headers)
        assert (answer.status_code, code(answer)) == (401, "token_invalid")


def test_an_id_that_cannot_be_stored_is_refused(shared_api: RunningApi) -> None:
    set_scopes(open_database(shared_api.settings.database), "ada", ["admin"])
    admin = {"Authorization": f"Bearer {shared_api.token()}"}
    form = "multipart/form-data; boundary=x; charset=unicode_escape"  # counts for nothing
    for jti, told in (
        (b"a\0b", (422, "invalid_request")),
        (b"\xed\xa0\x80", (400, "not_utf8")),  # a lone surrogate
    ):
        head = b'--x\r\nContent-Disposition: form-data; name="jti"\r\n\r\n'
        headers = {**admin, "Content-Type": form}
        answer = httpx.post(
            f"{shared_api.url}/token/revoke", content=head + jti + b"\r\n--x--\r\n", headers=headers
        )
        assert (answer.status_code, code(answer)) == told


def test_what_is_revoked_stays_so_while_the_database_is_away(make_api: MakeApi) -> None:
    api = make_api()
    token = api.token()
    api.client.post("/token/revoke", headers={"Authorization": f"Bearer {token}"})
    database = open_database(api.settings.database)
    with database.begin() as connection:
        rename_table(connection, "revoked_tokens", "away")
    fresh = api.token()
    for _ in range(5):
        assert (is_let_in(api, token), is_let_in(api, fresh)) == (False, True)
    with database.begin() as connection:
        rename_table(connection, "away", "revoked_tokens")
    claims = jwt.get_unverified_claims(fresh)
    revoke_token(database, claims["jti"], claims["exp"], "another process")
    assert eventually(lambda: not is_let_in(api, fresh))


@pytest.mark.parametrize("deed", ["DELETE FROM users WHERE name = 'ada'", "leafgate users delete"])
def test_the_tokens_of_a_deleted_user_are_refused_for_good(deed: str, make_api: MakeApi) -> None:
    api = make_api()
    database, token, other = open_database(api.settings.database), api.token(), api.token("eve")
    assert is_let_in(api, token)
    user = find_user(database, "ada")
    assert user is not None
    if deed.startswith("DELETE"):
        with database.begin() as connection:
            connection.exec_driver_sql(deed)
    else:
        delete_user(database, "ada", "admin")
    assert eventually(lambda: not is_let_in(api, token))
    refused = generate(api, token=token)
    assert (refused.status_code, code(refused)) == (401, "token_revoked")
    assert code(sign_in(api)) == "bad_credentials"
    assert is_let_in(api, other)
    add_user(database, "ada", user.password_hash, ["predict"])
    assert is_let_in(api, api.token())  # at once
    assert not is_let_in(api, token)


def test_a_token_is_revoked_here_while_the_database_is_locked(make_api: MakeApi) -> None:
    api = make_api()
    token = api.token()
    headers = {"Authorization": f"Bearer {token}"}
    file = api.settings.database.removeprefix("sqlite:///")
    with closing(sqlite3.connect(file, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        answer = httpx.post(f"{api.url}/token/revoke", headers=headers, timeout=30)
        assert (answer.status_code, code(answer)) == (503, "database_away")
        assert int(answer.headers["Retry-After"]) > 0
        assert not is_let_in(api, token)
        assert is_let_in(api, api.token())  # signing in goes on
        writer.execute("ROLLBACK")
    database = open_database(api.settings.database)
    jti = jwt.get_unverified_claims(token)["jti"]
    assert eventually(lambda: jti in load_revoked(database).tokens)


def test_a_call_costs_what_it_asks_for(make_api: MakeApi) -> None:
    api = make_api(generate_limit="10/hour")
    assert [generate(api, n).status_code for n in (4, 7, 6, 1)] == [503, 429, 503, 429]
    told = generate(api, 3)
    assert (code(told), told.headers["X-RateLimit-Remaining"]) == ("too_many_requests", "0")
    assert 3590 <= int(told.headers["Retry-After"]) <= 3600
    assert api.client.get("/generate", params={"n": 1}).status_code == 429  # the same budget
    assert generate(api, 0).status_code == 422


def test_a_call_larger_than_the_plan_is_refused_for_good(make_api: MakeApi) -> None:
    told = generate(make_api(generate_limit="10/hour"), 11)
    assert (told.status_code, code(told)) == (422, "out_of_range")
    assert "at most 10" in told.json()["fix"]


def test_256_images_in_one_call_are_within_the_usual_limits(make_api: MakeApi) -> None:
    assert generate(make_api(), 256).status_code == 503


def test_the_plan_in_the_token_sets_the_limit(make_api: MakeApi) -> None:
    api = make_api(generate_limit="2/hour", plans='{"plus": {"generate": "5/hour"}}')
    database = open_database(api.settings.database)
    assert [generate(api).status_code for _ in range(3)] == [503, 503, 429]
    set_plan(database, "ada", "plus")
    plus = api.token()
    assert [generate(api, token=plus).status_code for _ in range(6)] == [503] * 5 + [429]
    set_plan(database, "ada", "a plan of yesterday")
    old = api.token()
    assert [generate(api, token=old).status_code for _ in range(3)] == [503, 503, 429]


def test_the_wait_for_an_address_is_honest(make_api: MakeApi) -> None:
    api = make_api(address_limit="40/hour")
    answers = [httpx.get(f"{api.url}/nothing") for _ in range(41)]
    told = answers[-1]
    assert (told.status_code, code(told)) == (429, "too_many_requests")
    assert 3000 < int(told.headers["Retry-After"]) <= math.ceil(3600 * (2 - 39 / 40))


def test_a_service_without_a_usable_key_or_limit_does_not_start(tmp_path: Path) -> None:
    for wrong, told in (
        ({"jwt_algorithm": "ES256"}, "there is no key"),
        ({"plans": "{"}, "LEAFGATE_PLANS"),
        ({"address_limit": "many"}, "LEAFGATE_ADDRESS_LIMIT"),
    ):
        with pytest.raises(UserError, match=told):
            create_app(api_settings(tmp_path, tmp_path, **wrong))
