"""The programs that ask the API, by the name that each gives itself in `User-Agent`.

Ours send `leafgate-NAME/VERSION`. The log keeps one of a few words, whatever a caller sends, so
that nobody can fill it with names. It is what the caller says, and no proof.
"""

from leafgate import __version__

DASHBOARD, CLI, DEMO, LOAD = "dashboard", "cli", "demo", "load"
BROWSER, API = "browser", "api"
OURS = "leafgate-"

# By the product that a User-Agent begins with, in lower case (RFC 9110, section 10.1.5).
CLIENTS = {
    **{f"{OURS}{name}": name for name in (DASHBOARD, CLI, DEMO, LOAD)},
    "mozilla": BROWSER,
}
LONGEST_PRODUCT = max(map(len, CLIENTS))


def user_agent(client: str) -> str:
    """What one of our programs sends. client: `DASHBOARD`, `CLI`, `DEMO` or `LOAD`."""
    return f"{OURS}{client}/{__version__}"


def client_named(user_agent: str | None) -> str:
    """The program that sent this header; `api` for any that is not known."""
    begin = (user_agent or "")[: LONGEST_PRODUCT + 1]
    product, _, _ = begin.replace("/", " ").partition(" ")
    return CLIENTS.get(product.lower(), API)
