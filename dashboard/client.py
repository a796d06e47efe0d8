"""The only door to the API: every answer, and every error as an ApiProblem for a person.

What is asked through it, with typed answers, is in `dashboard.calls`, a file a subject.
"""

import time
from dataclasses import dataclass
from functools import lru_cache, partial
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import httpx

from dashboard.waiting import waited_for
from leafgate.clients import DASHBOARD, user_agent
from leafgate.proxies import proxy_of
from leafgate.url_secrets import shown_url

TIMEOUT_SECONDS = 60.0
DEVICE_COOKIE = "leafgate-device"


class ApiProblem(Exception):
    """What went wrong. status: 0 where the API was not reached; fix: what to do.

    wait_seconds: after which the same may pass, where the API said so; request_id: of the refusal.
    """

    def __init__(
        self,
        detail: str,
        fix: str,
        code: str,
        status: int,
        wait_seconds: int | None = None,
        request_id: str = "",
    ) -> None:
        super().__init__(detail)
        self.detail, self.fix, self.code, self.status = detail, fix, code, status
        self.wait_seconds, self.request_id = wait_seconds, request_id


@dataclass(frozen=True)
class SignIn:
    """A signed-in user of this browser session.

    ends_at: when the token expires, in epoch s; device: what the API wants to see again with the
    next sign-in of the same user from the same browser.
    """

    name: str
    token: str
    scopes: frozenset[str]
    ends_at: float
    device: str | None = None

    @property
    def is_over(self) -> bool:
        """Whether the token has expired."""
        return time.time() >= self.ends_at


class ApiClient:
    """Calls of one user, or of nobody yet."""

    def __init__(
        self,
        base_url: str,
        token: str | None = None,
        visitor: str | None = None,
        device: str | None = None,
    ) -> None:
        """visitor: whose browser asks, by address, so that limits by address count people and not
        the dashboard; the API believes it from proxies that it trusts. device: of an earlier
        `SignIn`.
        """
        self._base_url = base_url
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._headers |= {"X-Forwarded-For": visitor} if visitor else {}
        self._headers |= {"Cookie": f"{DEVICE_COOKIE}={device}"} if device else {}

    def sign_in(self, name: str, password: str) -> SignIn:
        """A token for the user. Raises ApiProblem `bad_credentials`."""
        asked_at = time.time()
        form = {"username": _sendable(name), "password": _sendable(password)}
        answer = self.ask("POST", "/token", data=form)
        told = answer.json()
        return SignIn(
            told.get("user", name),
            told["access_token"],
            frozenset(told["scope"].split()),
            asked_at + told["expires_in"],
            answer.cookies.get(DEVICE_COOKIE),
        )

    def ask(self, method: str, path: str, **content: Any) -> httpx.Response:  # noqa: ANN401
        """What the API answers. content: as httpx takes it. Raises ApiProblem for any other than
        success, and where the API does not answer.
        """
        try:
            http = _connection(self._base_url)
        except (httpx.InvalidURL, ValueError, ImportError) as error:
            # What names a part of the address could name a part of a password in it.
            reason = "" if "@" in self._base_url else f" ({error})"
            raise ApiProblem(
                f"the address of the API, {shown_url(self._base_url)}, cannot be used{reason}",
                "correct LEAFGATE_API_URL (an IPv6 address stands in brackets: "
                "http://[::1]:8000), or the proxy that the environment names",
                "bad_api_url",
                0,
            ) from error
        try:
            answer = waited_for(
                partial(http.request, method, path, headers=self._headers, **content)
            )
        except httpx.TransportError as error:
            raise ApiProblem(
                f"the API at {shown_url(self._base_url)} does not answer ({error})",
                "start it with `leafgate serve`, or check LEAFGATE_API_URL",
                "api_unreachable",
                0,
            ) from error
        if answer.is_success:
            return answer
        raise _problem(answer)


@lru_cache(maxsize=4)
def _connection(base_url: str) -> httpx.Client:
    """One for all sessions: reading the certificates alone takes some 20 ms. It keeps no cookies,
    since those of one visitor are no other's; and asks no proxy for this machine and the stack.
    """
    none = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
    transport = httpx.HTTPTransport(proxy=proxy_of(base_url))
    return httpx.Client(
        base_url=base_url,
        timeout=TIMEOUT_SECONDS,
        cookies=none,
        transport=transport,
        headers={"User-Agent": user_agent(DASHBOARD)},  # for the log: who asked
    )


def _sendable(text: str) -> str:
    """What a form can carry; a lone surrogate cannot be encoded."""
    return text.encode("utf-8", "replace").decode()


def _problem(answer: httpx.Response) -> ApiProblem:
    try:
        told = answer.json()
        wait = answer.headers.get("Retry-After", "")
        return ApiProblem(
            told["detail"],
            told["fix"],
            told["code"],
            answer.status_code,
            int(wait) if wait.isdecimal() else None,
            told.get("request_id", ""),
        )
    except (ValueError, KeyError, TypeError):
        detail = f"the API answered {answer.status_code} without a reason"
        return ApiProblem(detail, "look into its log", "unexpected_answer", answer.status_code)
