"""The sign-in form: what is left out is said in a sentence, and the API is not asked."""

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.client import ApiClient, SignIn


def form() -> None:
    from dashboard.sign_in import sign_in_page
    from leafgate.settings import Settings

    sign_in_page(Settings(_env_file=None, api_url="http://127.0.0.1:1"))  # type: ignore[call-arg]


def sign_in(name: str, password: str) -> AppTest:
    shown = AppTest.from_function(form, default_timeout=60).run()
    shown.text_input[0].input(name)
    shown.text_input[1].input(password)
    shown.button[0].click()
    return shown.run()


@pytest.mark.parametrize(
    ("name", "password", "told"),
    [
        ("ada", "", "The password is empty. What to do: Enter a password."),
        ("", "secret", "The user name is empty. What to do: Enter a user name."),
        (" ", "secret", "The user name is empty. What to do: Enter a user name."),
        ("", "", "User name and password are empty. What to do: Enter a user name and a password."),
    ],
)
def test_what_is_left_out_is_asked_for(name: str, password: str, told: str) -> None:
    assert [each.value for each in sign_in(name, password).error] == [told]


def test_a_name_is_sent_as_it_is_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[str, str]] = []

    def signed_in(_: ApiClient, name: str, password: str) -> SignIn:
        sent.append((name, password))
        return SignIn(name, "token", frozenset(), 2**40)

    monkeypatch.setattr(ApiClient, "sign_in", signed_in)
    sign_in("zoe\u0308", "blanks count ")
    assert sent == [("zoë", "blanks count ")]
