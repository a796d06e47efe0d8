"""docker/k8s holds what Kubernetes takes, confines all containers, names only what there is."""

import re
from pathlib import Path

import kubernetes_validate
import pytest

from leafgate import __version__
from leafgate.settings import load_settings
from tests.manifests import (
    FOLDER,
    OURS,
    Container,
    Pod,
    Stack,
    as_written,
    built,
    kustomizations,
    selects,
    whole_files,
    with_components,
)
from tests.stack_files import (
    documents,
    gives_a_secret_away,
    secrets_of_compose,
    unknown_settings,
)

VERSIONS = ("1.31", "1.37")
UNLISTED = {"secrets.example.yaml", "ingress.yaml"}  # made, or completed, by whoever installs
OPTIONAL = {"LEAFGATE_JWT_OLD_SECRETS"}
COMPOSED = re.compile(r"\$\((\w+)\)")


def keys(kind: str, name: str, kubernetes: Stack) -> set[str]:
    """What a ConfigMap holds, or what the Secret has to."""
    if kind == "secret":
        (told,) = documents(FOLDER / "secrets.example.yaml")
        assert told["metadata"]["name"] == name
        return set(told["stringData"])
    return set(kubernetes.one("ConfigMap", name)["data"])


@pytest.mark.parametrize("version", VERSIONS)
def test_every_manifest_is_what_kubernetes_takes(version: str) -> None:
    for each in as_written().all:
        if "apiVersion" in each:
            kubernetes_validate.validate(each, version, strict=True)


def test_so_is_what_components_make_of_it(tmp_path: Path) -> None:
    plain = built(FOLDER).all
    changed = with_components(tmp_path, "sqlserver", "api-gpu", "images").all
    patched = [each for each in changed if each not in plain]
    assert {"Namespace", "ConfigMap", "Job", "NetworkPolicy"} <= {each["kind"] for each in patched}
    for each in patched:
        kubernetes_validate.validate(each, VERSIONS[-1], strict=True)


def test_kustomize_builds_the_stack_and_both_trainings(tmp_path: Path) -> None:
    whole = built(FOLDER)
    assert {each["metadata"].get("namespace", "leafgate") for each in whole.all} == {"leafgate"}
    assert whole.one("ConfigMap", "postgres-init")["data"].keys() == {"mlflow.sql", "leafgate.sql"}
    (job,) = built(FOLDER / "train-gpu").all
    (trainer,) = Pod(job).containers
    assert trainer.told["image"].rpartition("/")[2] == f"leafgate-trainer-gpu:{__version__}"
    assert trainer.told["resources"]["limits"]["nvidia.com/gpu"] == "1"
    both = with_components(tmp_path, "sqlserver", "images")
    assert len(both.all) == len(whole.all) + 4  # ConfigMap, Service, StatefulSet; a training


def test_the_kustomization_lists_every_file_but_those_that_need_a_person() -> None:
    for folder, told in kustomizations().items():
        listed = {name for name in told.get("resources", []) if name.endswith(".yaml")}
        there = {file.name for file in whole_files() if file.parent == folder}
        assert there - UNLISTED == listed, folder
    assert not {each["kind"] for each in built(FOLDER).all} & {"Secret", "Ingress"}


def test_each_of_our_images_has_a_place_and_this_version() -> None:
    (told,) = documents(FOLDER / "images" / "kustomization.yaml")
    tags = {each["name"]: each["newTag"] for each in told["images"]}
    used = {each.told["image"] for each in as_written().containers if each.own}
    gpu = {f"{OURS}api-gpu", f"{OURS}trainer-gpu"}
    assert tags == dict.fromkeys(used | gpu, __version__)


def test_no_container_runs_as_root_gains_rights_or_is_told_of_the_cluster(
    kubernetes: Stack,
) -> None:
    for pod in kubernetes.pods:
        context = pod.spec["securityContext"]
        assert context["runAsNonRoot"] and context["runAsUser"] > 0, pod.name
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}, pod.name
        assert pod.spec["automountServiceAccountToken"] is False, pod.name
        # Variables such as LEAFGATE_API_PORT=tcp://… of services would be read as settings.
        assert pod.spec["enableServiceLinks"] is False, pod.name
    for container in kubernetes.containers:
        assert container.told["securityContext"]["allowPrivilegeEscalation"] is False, container


def test_nothing_but_microsofts_image_may_write_beside_its_volumes(kubernetes: Stack) -> None:
    for each in kubernetes.containers:
        if "mcr.microsoft.com" not in each.told["image"]:
            context = each.told["securityContext"]
            assert context["readOnlyRootFilesystem"] is True, each.name
            assert context["capabilities"] == {"drop": ["ALL"]}, each.name
        if each.own:
            assert each.pod.spec["securityContext"]["runAsUser"] == 10001, each.name
            assert "/tmp" in {mount["mountPath"] for mount in each.told["volumeMounts"]}, each.name
            assert each.pod.spec["securityContext"]["fsGroup"] == 10001, each.name


def test_every_container_has_limits_and_every_service_probes(kubernetes: Stack) -> None:
    for each in kubernetes.containers:
        for bound in ("requests", "limits"):
            told = each.told["resources"][bound].keys()
            assert {"cpu", "memory"} <= told <= {"cpu", "memory", "nvidia.com/gpu"}, each.name
        if each.own and not each.runs_once:
            wanted = {"startupProbe", "readinessProbe", "livenessProbe"}
            assert each.probes.keys() == wanted, each.name
        for probe in each.probes.values():
            assert probe.get("httpGet", {}).get("port", "http") in {*each.ports, "http"}, each.name


def test_no_secret_stands_in_a_manifest(kubernetes: Stack) -> None:
    assert [
        name for name, value in kubernetes.variables() if gives_a_secret_away(name, value)
    ] == []
    (told,) = documents(FOLDER / "secrets.example.yaml")
    assert set(told["stringData"].values()) == {""}
    assert gives_a_secret_away("URL", "redis://:hunter2@redis")
    assert gives_a_secret_away("REDIS_PASSWORD", "hunter2")
    assert not gives_a_secret_away("URL", "redis://:$(REDIS_PASSWORD)@redis:6379/0")


def test_the_secret_is_made_of_what_compose_needs_too() -> None:
    (told,) = documents(FOLDER / "secrets.example.yaml")
    assert told["stringData"].keys() - OPTIONAL == secrets_of_compose()


def references(container: Container) -> list[tuple[str, str, str]]:
    """Each key of a ConfigMap (config) or of the Secret (secret) that a variable is read from."""
    return [
        (kind, said["name"], said["key"])
        for variable in container.environment
        for kind in ("configMap", "secret")
        if (said := variable.get("valueFrom", {}).get(f"{kind}KeyRef"))
    ]


def test_every_key_that_a_container_reads_exists(kubernetes: Stack) -> None:
    for container in kubernetes.containers:
        for kind, name, key in references(container):
            assert key in keys(kind, name, kubernetes), (container.name, key)
        for source in container.told.get("envFrom", []):
            assert keys("configMap", source["configMapRef"]["name"], kubernetes), container.name


def test_an_address_is_composed_of_what_stands_above_it(kubernetes: Stack) -> None:
    for container in kubernetes.containers:
        above: set[str] = set()
        for variable in container.environment:
            used = set(COMPOSED.findall(variable.get("value", "")))
            assert used <= above, (container.name, variable["name"])
            assert variable["name"] not in above, (container.name, variable["name"])
            above.add(variable["name"])


def test_every_setting_of_leafgate_is_one(
    kubernetes: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = {each["name"] for container in kubernetes.containers for each in container.environment}
    data = kubernetes.one("ConfigMap", "settings")["data"]
    assert unknown_settings(names | data.keys()) == set()
    for name, value in data.items():
        monkeypatch.setenv(name, value)
    settings = load_settings(_env_file=None)
    assert settings.api_address == "http://api:8000"


def test_every_volume_that_is_mounted_is_there(kubernetes: Stack) -> None:
    claims = {each["metadata"]["name"] for each in kubernetes.of("PersistentVolumeClaim")}
    for pod in kubernetes.pods:
        for container in pod.containers:
            for mount in container.told.get("volumeMounts", []):
                assert mount["name"] in pod.volumes, (container.name, mount["name"])
        for volume in pod.volumes.values():
            if "configMap" in volume:
                assert keys("configMap", volume["configMap"]["name"], kubernetes)
            if claim := volume.get("persistentVolumeClaim"):
                assert claim["claimName"] in claims, pod.name


def test_scripts_that_a_container_runs_are_in_its_folder(kubernetes: Stack) -> None:
    for container in kubernetes.containers:
        words = " ".join([*container.told.get("command", []), *container.told.get("args", [])])
        for script in re.findall(r"/init/(\S+\.sql)", words):
            name = container.told["volumeMounts"][0]["name"]
            assert script in keys("configMap", name, kubernetes), container.name


def test_what_is_selected_is_what_is_there(kubernetes: Stack) -> None:
    for owner in kubernetes.of("Deployment", "StatefulSet"):
        assert selects(owner["spec"]["selector"], Pod(owner).labels), owner["metadata"]
    for service in kubernetes.of("Service"):
        (pod,) = (
            p
            for p in kubernetes.pods
            if selects({"matchLabels": service["spec"]["selector"]}, p.labels)
        )
        for port in service["spec"]["ports"]:
            assert pod.ports[port["targetPort"]] == port["port"], service["metadata"]
    for owner in kubernetes.of("StatefulSet"):
        assert kubernetes.one("Service", owner["spec"]["serviceName"])
    for budget in kubernetes.of("PodDisruptionBudget"):
        assert any(selects(budget["spec"]["selector"], pod.labels) for pod in kubernetes.pods)
