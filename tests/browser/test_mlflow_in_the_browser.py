"""MLflow in a real browser: one click on the link signs in, and other websites can do nothing."""

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from leafgate.settings import Settings
from registry import sign_in_link, start_run
from tests.commands import environment, free_port, service

RUN = "/#/experiments"


@pytest.fixture(scope="module")
def mlflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A running `leafgate mlflow` with one experiment, `leafgate`."""
    folder = tmp_path_factory.mktemp("mlflow")
    settings = Settings(_env_file=None, var_dir=folder / "var", mlflow_port=free_port())  # type: ignore[call-arg]
    with start_run(settings, "a test") as run:
        run.log_metrics({"loss": 0.5})
    env = environment(settings.var_dir, mlflow_port=settings.mlflow_port)
    with service("mlflow", f"{settings.mlflow_address}/health", env, folder / "log"):
        yield settings


@pytest.fixture
def own_page(browser: Browser) -> Iterator[Page]:
    """A page of a browser that has not signed in."""
    with browser.new_context() as context:
        yield context.new_page()


def test_the_link_opens_mlflow_signed_in_and_its_pages_work(
    mlflow: Settings, own_page: Page
) -> None:
    refused: list[str] = []
    sent: list[str] = []
    own_page.on(
        "response", lambda each: refused.append(each.url) if each.status in (401, 403) else None
    )
    own_page.on("request", lambda each: sent.append(each.headers.get("referer", "")))
    own_page.goto(sign_in_link(mlflow))
    own_page.goto(f"{mlflow.mlflow_address}{RUN}")
    expect(own_page.get_by_text("leafgate", exact=True).first).to_be_visible()
    token = (mlflow.var_dir / "mlflow.token").read_text().strip()
    assert refused == []
    assert token not in own_page.url
    assert not [each for each in sent if token in each]
    assert token not in own_page.evaluate("document.cookie + document.referrer + location.href")


def test_without_the_link_a_page_asks_for_the_token_and_goes_on_where_one_was(
    mlflow: Settings, own_page: Page
) -> None:
    own_page.goto(f"{mlflow.mlflow_address}{RUN}")
    expect(own_page.get_by_role("heading", name="Sign in to MLflow")).to_be_visible()
    field, button = own_page.get_by_label("Token"), own_page.get_by_role("button", name="Sign in")
    field.fill("a guess")
    button.click()
    expect(own_page.get_by_role("heading", name="Sign in to MLflow")).to_be_visible()
    own_page.goto(f"{mlflow.mlflow_address}{RUN}")
    field.fill((mlflow.var_dir / "mlflow.token").read_text())
    button.click()
    expect(own_page.get_by_text("leafgate", exact=True).first).to_be_visible()
    assert own_page.url.endswith(RUN)


ATTACK = """async (base) => {
  const tries = [
    ['/ajax-api/2.0/mlflow/experiments/search?max_results=5', {}],
    ['/ajax-api/2.0/mlflow/experiments/create', {method: 'POST', body: '{"name": "theirs"}'}],
    ['/ajax-api/2.0/mlflow/experiments/create', {method: 'POST', body: '{"name": "theirs"}',
      headers: {'Content-Type': 'application/json'}}],
    ['/graphql', {method: 'POST', body: '{"query": "{test}"}'}],
  ];
  const read = [];
  for (const mode of ['cors', 'no-cors'])
    for (const [path, options] of tries)
      try {
        const answer = await fetch(base + path, {...options, mode, credentials: 'include'});
        if (answer.ok) read.push(await answer.text());
      } catch (error) {}
  return read;
}"""
FORM = """<form method="post" enctype="text/plain"
  action="{url}/ajax-api/2.0/mlflow/experiments/create">
<input name='{{"name": "theirs", "a": "' value='"}}'></form>
<script>document.forms[0].submit()</script>"""


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_website_elsewhere_can_neither_read_nor_change_anything(
    mlflow: Settings, own_page: Page, host: str
) -> None:
    own_page.goto(sign_in_link(mlflow))
    with website(FORM.format(url=mlflow.mlflow_address).encode()) as port:
        own_page.goto(f"http://{host}:{port}/empty")  # another port is the same site to a browser
        assert own_page.evaluate(ATTACK, mlflow.mlflow_address) == []
        with own_page.expect_response("**/experiments/create") as answered:
            own_page.goto(f"http://{host}:{port}/form")
        assert answered.value.status in (401, 403)
    token = (mlflow.var_dir / "mlflow.token").read_text().strip()
    found = httpx.get(
        f"{mlflow.mlflow_address}/api/2.0/mlflow/experiments/search?max_results=50",
        headers={"Authorization": f"Bearer {token}"},
    ).json()
    assert {each["name"] for each in found["experiments"]} == {"Default", "leafgate"}


@contextmanager
def website(form: bytes) -> Iterator[int]:
    """Another server on this machine: /form sends its form at once. Gives its port."""

    class Pages(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(form if self.path == "/form" else b"<p>hello")

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pages) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()
