"""The API on Kubernetes: its disk, its end, its number, its probes and its way in."""

from functools import cache

from leafgate.settings import load_settings
from serving.app import create_app
from serving.metrics import Metrics
from serving.workers import EXTRA_SECONDS
from tests.manifests import FOLDER, Pod, Stack, as_written
from tests.stack_files import documents


def test_a_pod_is_given_the_time_that_it_takes_to_stop(kubernetes: Stack) -> None:
    told = kubernetes.one("ConfigMap", "settings")["data"]
    delay, drain = (float(told[f"LEAFGATE_{n}_SECONDS"]) for n in ("SHUTDOWN_DELAY", "DRAIN"))
    api = kubernetes.one("StatefulSet", "api")["spec"]["template"]["spec"]
    assert api["terminationGracePeriodSeconds"] >= delay + drain + EXTRA_SECONDS


def test_the_outbox_outlives_its_pod_and_lies_on_a_disk_of_one_node(kubernetes: Stack) -> None:
    api = kubernetes.one("StatefulSet", "api")["spec"]
    (claim,) = api["volumeClaimTemplates"]
    mounts = Pod({"spec": api, "kind": "StatefulSet"}).containers[0].told["volumeMounts"]
    assert {"name": claim["metadata"]["name"], "mountPath": "/var/lib/leafgate"} in mounts
    assert claim["spec"]["accessModes"] == ["ReadWriteOnce"]
    assert set(api["persistentVolumeClaimRetentionPolicy"].values()) == {"Retain"}


def test_pods_are_added_by_a_figure_that_the_service_exports(kubernetes: Stack) -> None:
    scaler = kubernetes.one("HorizontalPodAutoscaler", "api")["spec"]
    target = scaler["scaleTargetRef"]
    assert "replicas" not in kubernetes.one(target["kind"], target["name"])["spec"]
    (metric,) = scaler["metrics"]
    figure = metric["pods"]["metric"]["name"]
    (values,) = documents(FOLDER / "prometheus-adapter.values.yaml")
    (rule,) = values["rules"]["custom"]
    assert rule["name"]["as"] == figure
    assert rule["seriesQuery"].startswith(f"{figure}{{")
    metrics = Metrics()
    metrics.queue("leaf-classifier", 3)
    assert f"{figure}{{".encode() in metrics.text()
    assert scaler["behavior"]["scaleDown"]["stabilizationWindowSeconds"] >= 300


def test_probes_ask_for_what_the_api_answers(kubernetes: Stack) -> None:
    described = api_description()
    (container,) = Pod(kubernetes.one("StatefulSet", "api")).containers
    for probe in container.probes.values():
        path, _, query = probe["httpGet"]["path"].partition("?")
        known = {each["name"] for each in described[path]["get"].get("parameters", [])}
        assert {pair.partition("=")[0] for pair in query.split("&") if pair} <= known


@cache
def api_description() -> dict[str, dict[str, dict[str, list[dict[str, str]]]]]:
    """The paths of the API's OpenAPI document."""
    settings = load_settings(_env_file=None, jwt_secret="s" * 40)
    paths: dict[str, dict[str, dict[str, list[dict[str, str]]]]] = create_app(settings).openapi()[
        "paths"
    ]
    return paths


def test_the_ingress_passes_every_route_on_but_the_metrics() -> None:
    found = as_written()
    api, *_ = (each for each in found.of("Ingress") if each["metadata"]["name"] == "api")
    (rule,) = api["spec"]["rules"]
    passed = {each["path"] for each in rule["http"]["paths"]}
    routes = {f"/{path.split('/')[1]}" for path in api_description()}
    assert passed == routes - {"/metrics"} | {"/docs", "/redoc", "/openapi.json"}
    size = api["metadata"]["annotations"]["nginx.ingress.kubernetes.io/proxy-body-size"]
    assert int(size.removesuffix("m")) * 2**20 > load_settings(_env_file=None).max_batch_bytes
    for each in found.of("Ingress"):
        for path in each["spec"]["rules"][0]["http"]["paths"]:
            service = found.one("Service", path["backend"]["service"]["name"])
            assert path["backend"]["service"]["port"]["name"] == service["spec"]["ports"][0]["name"]
