"""Signing in while others guess: slow for them, seconds at most for the one who knows."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import httpx
import pytest
from jose import jwt

from dashboard.client import ApiClient, ApiProblem
from dashboard.known_browsers import KnownBrowsers
from serving.passwords import password_fits
from tests.integration.conftest import PASSWORD, MakeApi, RunningApi
from tests.integration.test_api_answers import eventually

SECONDS = 12  # what a few seconds may become on a machine that is busy


def sign_in(
    api: RunningApi,
    name: str = "ada",
    password: str = PASSWORD,
    client: httpx.Client | None = None,
    headers: dict[str, str] | None = None,
) -> httpx.Response:
    send = client.post if client else httpx.post
    form = {"username": name, "password": password}
    return send(f"{api.url}/token", data=form, headers=headers, timeout=60)


def at(address: str) -> httpx.Client:
    """A client whose connections come from an address of this machine."""
    return httpx.Client(transport=httpx.HTTPTransport(local_address=address))


def code(answer: httpx.Response) -> str:
    return str(answer.json().get("code", "signed in"))


def guess(api: RunningApi, times: int, name: str = "ada") -> None:
    """Fail as fast as one is let."""
    failures = 0
    while failures < times:
        answer = sign_in(api, name, f"guess {failures}")
        assert answer.status_code in (401, 429)
        failures += answer.status_code == 401
        if failures < times:
            time.sleep(int(answer.headers.get("Retry-After", 0)))


def test_guessing_is_slowed_down_and_told_for_how_long(make_api: MakeApi) -> None:
    api = make_api()
    statuses = [sign_in(api, password=f"guess {number}").status_code for number in range(5)]
    assert statuses == [401] * 5
    answer = sign_in(api)  # the password is not even looked at
    assert (answer.status_code, code(answer)) == (429, "sign_in_slowed")
    assert answer.headers["Retry-After"] == "1"
    assert sign_in(api, "eve").status_code == 200
    assert eventually(lambda: sign_in(api).status_code == 200)
    assert sign_in(api, password="wrong").status_code == 401  # counted from the start again


def test_failures_at_a_shared_address_delay_the_right_password_by_seconds(
    make_api: MakeApi,
) -> None:
    api = make_api()
    guess(api, 7)  # more of them: tests/unit/test_login_throttle.py
    began = time.monotonic()
    while (answer := sign_in(api)).status_code == 429:
        time.sleep(int(answer.headers["Retry-After"]))
    assert answer.status_code == 200
    assert time.monotonic() - began < SECONDS


def test_a_client_that_has_signed_in_before_gets_in_while_others_guess_from_its_address(
    make_api: MakeApi,
) -> None:
    api = make_api(token_limit="10/minute")
    with httpx.Client() as hers, httpx.Client() as others:
        assert sign_in(api, client=hers).status_code == 200
        sign_in(api, "eve", client=others)
        refused = {sign_in(api, password=f"guess {n}").status_code for n in range(40)}
        assert refused == {401, 429}
        assert code(sign_in(api, client=others)) != "signed in"  # eve's cookie is eve's
        assert sign_in(api, client=hers).status_code == 200
        assert sign_in(api, client=hers, password="wrong").status_code == 401
        for _ in range(12):
            sign_in(api, client=hers, password="wrong")
        assert sign_in(api, client=hers).status_code == 429  # nor is it a way to guess


def test_others_do_not_use_up_the_sign_ins_of_a_user_at_the_same_address(
    make_api: MakeApi,
) -> None:
    api = make_api(token_limit="10/minute")
    for number in range(12):
        last = sign_in(api, f"nobody {number}", "guess")
    assert code(last) == "too_many_requests"
    assert sign_in(api).status_code == 200  # where ada has signed in before


def test_what_a_sign_in_leaves_with_a_client_opens_nothing(make_api: MakeApi) -> None:
    api = make_api()
    answer = sign_in(api)
    words = {word.strip().lower() for word in answer.headers["Set-Cookie"].split(";")}
    assert {"httponly", "path=/token", "samesite=strict"} <= words
    cookie = answer.cookies["leafgate-device"]
    headers = {"Authorization": f"Bearer {cookie}"}
    assert httpx.get(f"{api.url}/models", headers=headers).status_code == 401
    assert jwt.get_unverified_claims(cookie)["aud"] != "leafgate-api"
    token = answer.json()["access_token"]
    tokens = api.app.state.leafgate.tokens
    for forged in (token, cookie[:-4], cookie.swapcase(), "x" * 9000, "\ud800", ""):
        assert tokens.device_of(forged, "ada") is None
    assert tokens.device_of(cookie, "eve") is None
    assert tokens.device_of(cookie, "ada") is not None


def test_the_dashboard_keeps_for_each_browser_what_the_api_left_with_it(make_api: MakeApi) -> None:
    api, known = make_api(), KnownBrowsers()
    known.keep("hers", "ada", ApiClient(api.url).sign_in("ada", PASSWORD).device)
    for number in range(7):
        sign_in(api, password=f"guess {number}")
    for browser, name in (("another", "ada"), ("hers", "eve"), ("", "ada")):
        assert known.find(browser, name) is None
    with pytest.raises(ApiProblem, match="too many failed sign-ins"):
        ApiClient(api.url).sign_in("ada", PASSWORD)  # from any other browser
    assert ApiClient(api.url, device=known.find("hers", "ada")).sign_in("ada", PASSWORD).token


def test_the_dashboard_keeps_no_more_of_browsers_than_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboard.known_browsers.MAX_KEPT", 3)
    known = KnownBrowsers()
    for number in range(5):
        known.keep(str(number), "ada", "device")
    known.keep("x" * 1000, "ada", "device")
    assert [known.find(str(number), "ada") for number in range(5)] == [None] * 2 + ["device"] * 3


def test_eighty_connections_that_name_other_addresses_make_no_sign_in_busy(
    make_api: MakeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    def check(password: str, stored_hash: str | None) -> bool:
        time.sleep(0.02)  # as Argon2 takes, on cores of one's own
        return stored_hash is not None and password_fits(password, stored_hash)

    monkeypatch.setattr("serving.sign_in.password_fits", check)
    api = make_api(token_limit="10000/minute")
    with ExitStack() as stack, ThreadPoolExecutor(80) as flood:
        home, elsewhere = (stack.enter_context(at(f"127.0.0.{n}")) for n in (7, 8))
        assert sign_in(api, client=home).status_code == 200
        busy = True

        def keep_asking(number: int) -> set[str]:
            seen: set[str] = set()
            while busy:
                claimed = {"X-Forwarded-For": f"203.0.113.{number}"}
                seen.add(code(sign_in(api, f"nobody {number}", "guess", headers=claimed)))
            return seen

        asked = [flood.submit(keep_asking, number) for number in range(80)]
        queue = api.app.state.leafgate.sign_in._queue
        assert eventually(lambda: queue.waiting(2) >= 60)
        answers = [
            sign_in(api, client=client, name=name)
            for client, name in ((home, "ada"), (elsewhere, "eve"))
            for _ in range(3)
        ]
        busy = False
        seen = set().union(*(each.result() for each in asked))
    assert [answer.status_code for answer in answers] == [200] * 6
    assert "sign_in_busy" in seen
    assert max(answer.elapsed.total_seconds() for answer in answers) < SECONDS
