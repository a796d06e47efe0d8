"""Names and passwords beyond ASCII sign in, however a client encodes and a keyboard types them."""

import unicodedata
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from pwdlib.hashers.argon2 import Argon2Hasher

from dashboard.client import ApiClient
from sql import add_user, open_database
from sql.schema import users
from tests.integration.conftest import RunningApi, api_settings, starting_apis

PASSWORD = "straße im Grünen"
URLENCODED = {"Content-Type": "application/x-www-form-urlencoded"}


def nfd(text: str) -> str:
    return unicodedata.normalize("NFD", text)


def hashed(password: str) -> str:
    """At the least cost."""
    return Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1).hash(password)


@pytest.fixture(scope="module")
def api(empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApi]:
    """With users `jürgen` in NFC, `zoë` as a version of before stored what was typed in NFD, and
    `việt` as some keyboards type it: in neither form.
    """
    folder = tmp_path_factory.mktemp("spelling")
    with starting_apis() as start:
        running = start(api_settings(empty_store, folder, model_poll_seconds=60))
        database = open_database(running.settings.database)
        add_user(database, "jürgen", hashed(PASSWORD), ["predict"])
        add_user(database, "viet", hashed(PASSWORD), ["predict"])
        add_user(database, "zoe", hashed(nfd(PASSWORD)), ["predict"])
        with database.begin() as connection:
            for before, name in (("zoe", nfd("zoë")), ("viet", "vi\u00ea\u0323t")):
                renamed = users.update().where(users.c.name == before).values(name=name)
                connection.execute(renamed)
        database.dispose()
        yield running


def post(api: RunningApi, body: bytes, **headers: str) -> httpx.Response:
    named = {**URLENCODED, **{key.replace("_", "-"): value for key, value in headers.items()}}
    return httpx.post(f"{api.url}/token", content=body, headers=named, timeout=60)


def who(api: RunningApi, answer: httpx.Response) -> str:
    """In whose name the token is, which must be good."""
    assert answer.status_code == 200, answer.text
    token = answer.json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    assert httpx.get(f"{api.url}/models", headers=headers).status_code == 200
    return str(answer.json()["user"])


@pytest.mark.parametrize("name", ["jürgen", nfd("jürgen")])
@pytest.mark.parametrize("password", [PASSWORD, nfd(PASSWORD)])
def test_a_name_signs_in_by_every_kind_of_form(api: RunningApi, name: str, password: str) -> None:
    form = {"username": name, "password": password}
    raw = f"username={name}&password={password.replace(' ', '+')}".encode()
    latin = {"Content-Type": "application/x-www-form-urlencoded; charset=ISO-8859-1"}
    utf8 = {"Content-Type": "application/x-www-form-urlencoded;charset=UTF-8"}
    answers = [
        post(api, raw),  # as `curl -d`
        httpx.post(f"{api.url}/token", data=form),  # as `curl --data-urlencode`
        httpx.post(f"{api.url}/token", content=raw, headers=latin),
        httpx.post(f"{api.url}/token", content=raw, headers=utf8),
        httpx.post(f"{api.url}/token", files={key: (None, each) for key, each in form.items()}),
    ]
    assert [who(api, each) for each in answers] == ["jürgen"] * 5
    assert ApiClient(api.url).sign_in(name, password).name == "jürgen"


@pytest.mark.parametrize(("typed", "stored"), [("zoë", nfd("zoë")), ("việt", "vi\u00ea\u0323t")])
def test_names_and_passwords_that_were_stored_in_another_form_still_sign_in(
    api: RunningApi, typed: str, stored: str
) -> None:
    for name in (typed, nfd(typed), stored):
        for password in (PASSWORD, nfd(PASSWORD)):
            answer = httpx.post(f"{api.url}/token", data={"username": name, "password": password})
            assert who(api, answer) == stored


def test_bytes_that_are_not_utf_8_are_refused_and_count_as_no_guess(api: RunningApi) -> None:
    for _ in range(8):  # more than the five that slow sign-ins down
        answer = post(api, f"username=jürgen&password={PASSWORD}".encode("latin-1"))
        assert (answer.status_code, answer.json()["code"]) == (400, "not_utf8")
        assert "UTF-8" in answer.json()["fix"]
        assert PASSWORD not in answer.text
    form = {"username": "jürgen", "password": PASSWORD}
    assert who(api, httpx.post(f"{api.url}/token", data=form)) == "jürgen"


def test_all_forms_of_a_name_share_the_failures(api: RunningApi) -> None:
    names = ["brûlée", nfd("brûlée")]
    statuses = [
        httpx.post(f"{api.url}/token", data={"username": name, "password": "guess"}).status_code
        for name in names * 3
    ]
    assert statuses == [401] * 5 + [429]
