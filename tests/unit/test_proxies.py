"""A proxy of the environment is asked for the outside world, and for nothing that is ours."""

import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator

import pytest
import requests
import yaml

from dashboard.client import ApiClient, ApiProblem
from leafgate.proxies import STACK, keep_own_traffic_direct, proxy_of
from leafgate.settings import Settings
from registry import ModelStore
from registry.aliases import alias_reader
from serving.provided_keys import ProvidedKeys
from tests.compose_files import ROOT
from tests.recording_proxy import RecordingProxy, recording_proxy, set_proxies
from tests.small_server import ok, serving

OURS = (
    *("127.0.0.1", "127.8.8.8", "localhost", "[::1]", "0.0.0.0"),
    *("api", "mlflow", "dashboard", "redis", "proxy", "mlflow.leafgate.svc.cluster.local"),
)
OUTSIDE = (
    *("www.kaggle.com", "storage.googleapis.com", "192.0.2.1", "[2001:db8::1]"),
    *("localhost.example.org", "myapi", "api.example.org", "notlocalhost", "128.0.0.1"),
)
EACH = ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY")


@pytest.fixture
def proxy() -> Iterator[RecordingProxy]:
    with recording_proxy() as started:
        yield started


@pytest.mark.parametrize("variable", EACH)
@pytest.mark.parametrize("host", [*OURS, "LOCALHOST", "localhost.", "leaf.localhost", "127.1"])
def test_our_own_hosts_are_reached_without_it(
    variable: str, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_proxies(monkeypatch, **{variable: "http://proxy.example:3128"})
    assert proxy_of(f"http://{host}:8000/health") is None


@pytest.mark.parametrize("variable", EACH)
@pytest.mark.parametrize("host", OUTSIDE)
def test_every_other_host_is_reached_by_it(
    variable: str, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_proxies(monkeypatch, **{variable: "proxy.example:3128"})
    assert proxy_of(f"http://{host}/x") == "http://proxy.example:3128"


def test_a_proxy_for_one_kind_of_address_is_not_asked_for_the_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    set_proxies(monkeypatch, https_proxy="http://proxy.example:3128")
    assert proxy_of("http://example.org") is None
    assert proxy_of("https://example.org") == "http://proxy.example:3128"


@pytest.mark.parametrize(
    ("listed", "url", "direct"),
    [
        ("corp.example", "http://git.corp.example", True),
        (".corp.example", "http://git.corp.example", True),
        ("*.corp.example", "http://git.corp.example", True),
        ("corp.example", "http://mycorp.example", False),
        ("CORP.example", "http://Corp.Example", True),
        ("corp.example:8080", "http://corp.example:8080", True),
        ("corp.example:8080", "http://corp.example:9090", False),
        ("10.0.0.0/8, 192.168.1.5", "http://10.2.3.4", True),
        ("10.0.0.0/8, 192.168.1.5", "http://192.168.1.5:5000", True),
        ("10.0.0.0/8", "http://11.2.3.4", False),
        ("[2001:db8::5]", "http://[2001:db8::5]:5000", True),
        ("2001:db8::/32", "http://[2001:db8::5]:5000", True),
        ("a b,*", "http://anything.example", True),
    ],
)
def test_what_the_user_lists_is_direct_however_it_is_written(
    listed: str, url: str, direct: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_proxies(monkeypatch, http_proxy="http://proxy.example:3128", no_proxy=listed)
    assert (proxy_of(url) is None) is direct


@pytest.mark.parametrize("variable", EACH)
def test_clients_of_others_find_our_hosts_in_no_proxy(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_proxies(monkeypatch, **{variable: "http://proxy.example:3128"})
    keep_own_traffic_direct("192.168.7.7")
    for host in (*OURS, "192.168.7.7"):
        assert requests.utils.should_bypass_proxies(f"http://{host}:5000/x", None), host
    for host in ("127.0.0.1", "localhost", "mlflow", "192.168.7.7"):
        assert urllib.request.proxy_bypass(host), host
    for host in OUTSIDE:
        assert not requests.utils.should_bypass_proxies(f"http://{host}/x", None), host


@pytest.mark.parametrize("given", ["no_proxy", "NO_PROXY"])
def test_what_the_user_has_in_no_proxy_stays_and_is_added_once(
    given: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxies = {"http_proxy": "http://proxy.example:3128", given: "corp.example, 10.0.0.0/8"}
    set_proxies(monkeypatch, **proxies)
    keep_own_traffic_direct()
    first = dict(os.environ)
    keep_own_traffic_direct()
    assert dict(os.environ) == first
    for name in ("no_proxy", "NO_PROXY"):
        assert first[name].startswith("corp.example,10.0.0.0/8,localhost,127.0.0.1,")
    assert requests.utils.should_bypass_proxies("http://git.corp.example/", None)


@pytest.mark.parametrize("given", ["*", "corp.example,*"])
def test_a_user_who_wants_no_proxy_at_all_gets_none(
    given: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_proxies(monkeypatch, http_proxy="http://proxy.example:3128", no_proxy=given)
    keep_own_traffic_direct()
    assert urllib.request.proxy_bypass("www.kaggle.com")


def test_without_a_proxy_nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    set_proxies(monkeypatch)
    keep_own_traffic_direct("127.0.0.1")
    assert "no_proxy" not in os.environ


@pytest.mark.parametrize("variable", EACH)
def test_the_dashboard_asks_an_api_on_this_machine_itself(
    variable: str, proxy: RecordingProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_proxies(monkeypatch, **{variable: proxy.url})
    with serving(lambda _: ok(b'{"models": []}')) as api:
        answer = ApiClient(f"http://127.0.0.1:{api.port}").ask("GET", "/health")
    assert answer.json() == {"models": []}
    assert proxy.asked == []


def test_the_dashboard_asks_an_api_elsewhere_by_the_proxy(
    proxy: RecordingProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_proxies(monkeypatch, http_proxy=proxy.url)
    with pytest.raises(ApiProblem):
        ApiClient("http://leaf.example.org:8000").ask("GET", "/health")
    assert proxy.asked == ["GET http://leaf.example.org:8000/health HTTP/1.1"]


@pytest.mark.parametrize("no_proxy", ["", "[::1]", "fd00::/8"])
@pytest.mark.parametrize("proxy_url", ["socks5://127.0.0.1:9", "http://127.0.0.1:9"])
def test_a_proxy_or_list_that_httpx_cannot_use_does_not_matter_on_this_machine(
    proxy_url: str, no_proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_proxies(monkeypatch, all_proxy=proxy_url, no_proxy=no_proxy)
    with serving(lambda _: ok(b"[]")) as api:
        assert ApiClient(f"http://localhost:{api.port}").ask("GET", "/models").json() == []


@pytest.mark.parametrize("url", ["http://::1:8000", "http://[::1", "http://api:port"])
def test_an_address_of_the_api_that_is_none_is_said_to_be_none(url: str) -> None:
    with pytest.raises(ApiProblem) as raised:
        ApiClient(url).ask("GET", "/health")
    assert raised.value.code == "bad_api_url"
    assert url in raised.value.detail
    assert "http://[::1]:8000" in raised.value.fix


@pytest.mark.parametrize("variable", ["http_proxy", "ALL_PROXY"])
def test_the_registry_is_asked_directly_by_us_and_by_mlflow(
    variable: str, proxy: RecordingProxy, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_proxies(monkeypatch, **{variable: proxy.url})
    with serving(lambda _: ok()) as mlflow:
        uri = f"http://127.0.0.1:{mlflow.port}"
        there = settings.model_copy(update={"mlflow_tracking_uri": uri})
        assert alias_reader(there, {}).find("leaf-classifier", "production") is None
        ModelStore(there).require_reachable()
        assert mlflow.connections >= 2
    assert proxy.asked == []


def test_a_key_set_on_this_machine_is_fetched_directly(
    proxy: RecordingProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_proxies(monkeypatch, http_proxy=proxy.url)
    keys = b'{"keys": [{"kty": "RSA", "kid": "a", "n": "%s", "e": "AQAB"}]}' % (b"u" * 342)
    with serving(lambda _: ok(keys)) as provider:
        ProvidedKeys(f"http://127.0.0.1:{provider.port}/jwks", "RS256")
    assert proxy.asked == []


def test_the_health_check_of_a_container_asks_its_service_directly(
    proxy: RecordingProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_proxies(monkeypatch, http_proxy=proxy.url, HTTP_PROXY=proxy.url)
    with serving(lambda _: ok()) as service:
        address = f"http://127.0.0.1:{service.port}/health"
        check = [sys.executable, str(ROOT / "docker/healthy.py"), address]
        assert subprocess.run(check, check=False).returncode == 0
    assert subprocess.run(check, check=False, capture_output=True).returncode == 1
    assert proxy.asked == []


def test_every_service_of_the_stack_is_known() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    served = {name for name, each in compose.items() if each.get("restart") == "unless-stopped"}
    cluster = {
        document["metadata"]["name"]
        for file in (ROOT / "docker/k8s").rglob("*.yaml")
        for document in yaml.safe_load_all(file.read_text())
        if document and document.get("kind") == "Service"
    }
    assert served | cluster == set(STACK)
