"""How often one may ask: SlowAPI, by token subject, by plan, and by what a call costs.

SlowAPI checks when the endpoint is called: after the token, the body and the dependencies, one of
which says what the call costs (`set_cost`). `address_limit` stands in front of all that.
"""

import inspect
import logging
import math
import time
from collections.abc import Callable
from typing import Any, TypeVar, cast

from slowapi import Limiter
from slowapi.errors import RateLimitExceeded
from starlette.requests import Request

from leafgate.errors import UserError
from leafgate.settings import Settings
from serving.addresses import client_network
from serving.counts import SCHEME, Counts
from serving.plans import Kind, limit_text, one_limit, plans_of
from sql import STANDARD_PLAN

KEY_PARTS = " user:"
BUDGET = "leafgate_budget"  # an endpoint's attribute
MAX_SPENT = 4096
Function = TypeVar("Function", bound=Callable[..., Any])


def _inspected(function: Function) -> Function:
    """The same: SlowAPI inspects it at every call, which takes 10 µs unless the answer is kept."""
    function.__dict__["__signature__"] = inspect.signature(function)
    return function


def set_cost(request: Request, images: int) -> None:
    """Say, in a dependency of the endpoint, how many images the call is worth; else it is one."""
    request.state.cost = images


def cost_of(request: Request) -> int:
    """How many images the call is worth."""
    return int(getattr(request.state, "cost", 1))


@_inspected
def subject_or_address(request: Request) -> str:
    """SlowAPI's key; never empty, since an empty key means no limit."""
    subject = getattr(request.state, "subject", None)
    if subject is None:
        return f"address:{client_network(request.scope)}"
    return f"{request.state.plan}{KEY_PARTS}{subject}"


def make_limiter(settings: Settings) -> Limiter:
    """The limiter that routes are decorated with. Raises UserError for a limit that is none."""
    plans_of(settings)
    limit_text(settings.token_limit, "LEAFGATE_TOKEN_LIMIT")
    limit_text(settings.move_limit, "LEAFGATE_MOVE_LIMIT")
    one_limit(settings.address_limit, "LEAFGATE_ADDRESS_LIMIT")  # made later, by its middleware
    # It would log a line for every refusal, each of which is a row of the request log.
    logging.getLogger("slowapi").setLevel(logging.ERROR)
    return Limiter(
        key_func=subject_or_address,
        key_style="endpoint",
        strategy="moving-window",
        headers_enabled=True,
        storage_uri=f"{SCHEME}://",
        storage_options={"redis_url": settings.redis_url},
    )


def limited(limiter: Limiter, settings: Settings, kind: Kind) -> Callable[..., Any]:
    """Decorates an endpoint: all of one kind draw on one budget of images, by plan and subject.

    The endpoint needs `request: Request` and `response: Response`.
    """
    plans = plans_of(settings)

    @_inspected
    def budget(key: str) -> str:
        return plans.limit(key.partition(KEY_PARTS)[0], kind)

    def cost(request: Request) -> int:
        images = cost_of(request)
        most = plans.most(getattr(request.state, "plan", STANDARD_PLAN), kind)
        if images > most:  # 429 would have the caller wait for ever
            raise UserError(
                f"this call costs {images} images and your plan allows {most} at a time",
                f"ask for at most {most} at a time; a large image costs more than one",
                code="out_of_range",
            )
        return images

    decorate: Callable[..., Any] = limiter.shared_limit(budget, scope=kind, cost=cost)

    def decorate_and_name(endpoint: Callable[..., Any]) -> Callable[..., Any]:
        decorated: Callable[..., Any] = decorate(endpoint)
        decorated.__dict__[BUDGET] = kind
        return decorated

    return decorate_and_name


def budget_of(endpoint: Callable[..., Any] | None) -> str | None:
    """The budget that an endpoint draws on; None: it was not decorated with `limited`."""
    found: str | None = getattr(endpoint, BUDGET, None)
    return found


class SpentBudgets:
    """Budgets that are known to be used up: those who draw on them are refused before their body
    is read. Nothing but time fills a budget again.
    """

    def __init__(self) -> None:
        self._until: dict[tuple[str, ...], tuple[float, Any, Any]] = {}

    def note(self, request: Request, error: RateLimitExceeded) -> None:
        """A call was refused; where not even an image passes now, remember until when."""
        item, names = request.state.view_rate_limit
        counts = counts_of(request.app.state.limiter)
        wait = counts.wait_seconds(item.key_for(*names), item.amount, item.get_expiry(), 1)
        if wait > 0:
            if len(self._until) >= MAX_SPENT:
                self._until.clear()
            self._until[tuple(names)] = time.monotonic() + wait, (item, names), error.limit

    def require(self, key: str, kind: str, request: Request) -> None:
        """Raises RateLimitExceeded."""
        known = self._until.get((key, kind))
        if known is None:
            return
        until, view, limit = known
        if time.monotonic() >= until:
            del self._until[key, kind]
            return
        request.state.view_rate_limit = view
        raise RateLimitExceeded(limit)


def require_budget(request: Request, kind: str) -> None:
    """Raises RateLimitExceeded where the caller's budget is known to be used up."""
    spent: SpentBudgets = request.app.state.spent_budgets
    spent.require(subject_or_address(request), kind, request)


def counts_of(limiter: Limiter) -> Counts:
    """Where `limiter` counts; to be started and stopped with the service."""
    return cast(Counts, limiter.limiter.storage)


def limits_health(limiter: Limiter) -> str:
    """`memory`, `redis`, or `redis away: counting locally`."""
    return counts_of(limiter).health


def retry_seconds(request: Request) -> int:
    """How long until a call that was just refused would pass."""
    item, names = request.state.view_rate_limit
    counts = counts_of(request.app.state.limiter)
    key = item.key_for(*names)
    wait = counts.wait_seconds(key, item.amount, item.get_expiry(), cost_of(request))
    return max(1, math.ceil(wait))
