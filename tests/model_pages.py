"""Pages of the dashboard over a running API, without a browser."""

from streamlit.testing.v1 import AppTest

from dashboard.client import SignIn
from tests.integration.conftest import RunningApi


def opened(api: RunningApi, name: str, **asked: str) -> AppTest:
    """The page of that name as `ada` sees it. asked: what the link says."""
    app = AppTest.from_function(_shown, kwargs={"name": name, "url": api.url}, default_timeout=60)
    app.session_state["sign_in"] = SignIn("ada", api.token(), frozenset({"predict"}), 1e12)
    for key, value in asked.items():
        app.query_params[key] = value
    return app.run()


def _shown(name: str, url: str) -> None:
    from importlib import import_module

    from dashboard.guard import problems_shown
    from leafgate.settings import Settings

    with problems_shown():
        import_module(f"dashboard.pages.{name}").render(Settings(_env_file=None, api_url=url))  # type: ignore[call-arg]
