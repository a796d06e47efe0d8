"""The Kubernetes manifests of docker/k8s: pods, containers, and who reaches whom."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from os.path import relpath
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.compose_files import ROOT
from tests.requirements import kubectl
from tests.stack_files import Document, documents

FOLDER = ROOT / "docker" / "k8s"
KUSTOMIZE = ("Kustomization", "Component")
POD_KINDS = ("Deployment", "StatefulSet", "Job")
OURS = "leafgate-"  # how the names of our images begin
Labels = dict[str, str]


@dataclass(frozen=True)
class Container:
    """One of a pod. own: made from an image of ours; runs_once: ends by itself."""

    pod: "Pod"
    told: Document
    runs_once: bool

    @property
    def name(self) -> str:
        """As a reader of a failed test looks for it."""
        return f"{self.pod.name}/{self.told['name']}"

    @property
    def own(self) -> bool:
        return str(self.told["image"]).rpartition("/")[2].startswith(OURS)

    @property
    def environment(self) -> list[Document]:
        return list(self.told.get("env", []))

    @property
    def ports(self) -> dict[str, int]:
        return {port["name"]: port["containerPort"] for port in self.told.get("ports", [])}

    @property
    def probes(self) -> dict[str, Document]:
        return {key: value for key, value in self.told.items() if key.endswith("Probe")}


@dataclass(frozen=True)
class Pod:
    """The pods of a Deployment, StatefulSet or Job."""

    owner: Document

    @property
    def name(self) -> str:
        return f"{self.owner['kind']} {self.owner['metadata']['name']}"

    @property
    def labels(self) -> Labels:
        return dict(self.owner["spec"]["template"]["metadata"]["labels"])

    @property
    def spec(self) -> Document:
        return dict(self.owner["spec"]["template"]["spec"])

    @property
    def containers(self) -> list[Container]:
        ends = self.owner["kind"] == "Job"
        first = [Container(self, each, True) for each in self.spec.get("initContainers", [])]
        return first + [Container(self, each, ends) for each in self.spec["containers"]]

    @property
    def volumes(self) -> dict[str, Document]:
        """By name, those of claims that each pod gets for itself, too."""
        claims = self.owner["spec"].get("volumeClaimTemplates", [])
        found = {each["metadata"]["name"]: each for each in claims}
        return found | {each["name"]: each for each in self.spec.get("volumes", [])}

    @property
    def ports(self) -> dict[str, int]:
        return {name: port for each in self.containers for name, port in each.ports.items()}


@dataclass(frozen=True)
class Stack:
    """All that is applied together."""

    all: list[Document]

    def of(self, *kinds: str) -> list[Document]:
        """The documents of these kinds."""
        return [each for each in self.all if each["kind"] in kinds]

    def one(self, kind: str, name: str) -> Document:
        """The only one of that kind and name."""
        (found,) = (each for each in self.of(kind) if each["metadata"]["name"] == name)
        return found

    @property
    def pods(self) -> list[Pod]:
        return [Pod(each) for each in self.of(*POD_KINDS)]

    @property
    def containers(self) -> list[Container]:
        return [container for pod in self.pods for container in pod.containers]

    def variables(self) -> Iterator[tuple[str, str]]:
        """Every variable that has its value in a manifest."""
        for container in self.containers:
            yield from ((v["name"], v["value"]) for v in container.environment if "value" in v)
        for each in self.of("ConfigMap"):
            yield from each["data"].items()


def kustomizations() -> dict[Path, Document]:
    """By folder; those of docker/postgres and docker/mssql make ConfigMaps of the scripts there."""
    files = [*FOLDER.glob("**/kustomization.yaml"), *FOLDER.parent.glob("*/kustomization.yaml")]
    return {file.parent: documents(file)[0] for file in files}


def whole_files() -> list[Path]:
    """The files of whole manifests: no kustomizations, none of their patches, no values."""
    patches = {
        (folder / patch["path"]).resolve()
        for folder, told in kustomizations().items()
        for patch in told.get("patches", [])
    }
    found = [file for file in sorted(FOLDER.rglob("*.yaml")) if file.resolve() not in patches]
    return [f for f in found if f.name != "kustomization.yaml" and ".values." not in f.name]


def as_written() -> Stack:
    """The files as they are, with the ConfigMaps that kustomize will make of scripts."""
    made = [
        {"kind": "ConfigMap", "metadata": {"name": maker["name"]}, "data": scripts(folder, maker)}
        for folder, told in kustomizations().items()
        for maker in told.get("configMapGenerator", [])
    ]
    return Stack([each for file in whole_files() for each in documents(file)] + made)


def scripts(folder: Path, maker: Document) -> dict[str, str]:
    """What a ConfigMap is made of."""
    return {name: (folder / name).read_text() for name in maker["files"]}


def with_components(folder: Path, *components: str) -> Stack:
    """The stack and a training as `kubectl` would apply them, with these components of docker/k8s.

    folder: an empty one, for the kustomization that says so.
    """
    base = relpath(FOLDER, folder.resolve())
    told = {
        "resources": [base, f"{base}/train"],
        "components": [f"{base}/{name}" for name in components],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(told))
    return built(folder)


def built(folder: Path) -> Stack:
    """What `kubectl kustomize` makes of a folder."""
    command = [str(kubectl()), "kustomize", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return Stack([each for each in yaml.safe_load_all(done.stdout) if each])


@pytest.fixture(scope="session", params=["as written", "with SQL Server and GPUs"])
def kubernetes(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """The stack as its files say, and as kubectl builds it with every component."""
    if request.param == "as written":
        return as_written()
    return with_components(tmp_path_factory.mktemp("k8s"), "sqlserver", "api-gpu", "images")


def selects(selector: Document, labels: Labels) -> bool:
    """Whether a label selector of Kubernetes means these labels."""
    wanted = selector.get("matchLabels", {})
    listed = selector.get("matchExpressions", [])
    assert all(each["operator"] == "In" for each in listed), listed
    return all(labels.get(key) == value for key, value in wanted.items()) and all(
        labels.get(each["key"]) in each["values"] for each in listed
    )


def name_of(labels: Labels) -> str:
    """How the policies call a pod."""
    return labels["app.kubernetes.io/name"]


Way = tuple[str, str, int]  # who asks, who is asked, at which port


def ways(stack: Stack, direction: str) -> set[Way]:
    """Who may reach whom in the stack, by the rules of one `direction` (ingress, egress)."""
    return {
        way
        for policy in stack.of("NetworkPolicy")
        for rule in policy["spec"].get(direction, [])
        for peer in rule["from" if direction == "ingress" else "to"]
        if "podSelector" in peer
        for way in _ways(stack, policy["spec"]["podSelector"], peer["podSelector"], direction, rule)
    }


def _ways(
    stack: Stack, own: Document, other: Document, direction: str, rule: Document
) -> Iterator[Way]:
    owners = [name_of(pod.labels) for pod in stack.pods if selects(own, pod.labels)]
    others = [name_of(pod.labels) for pod in stack.pods if selects(other, pod.labels)]
    assert owners, f"a policy is for {own}, which no pod is"
    assert others, f"a policy names {other}, which no pod is"
    for owner in owners:
        for peer in others:
            for port in rule["ports"]:
                asks, asked = (peer, owner) if direction == "ingress" else (owner, peer)
                yield asks, asked, port["port"]


def outer_rules(stack: Stack, name: str, direction: str) -> list[Any]:
    """What a part may reach, or be reached by, outside the stack."""
    key = "from" if direction == "ingress" else "to"
    return [
        (peer, [port["port"] for port in rule["ports"]])
        for policy in stack.of("NetworkPolicy")
        if policy["spec"]["podSelector"].get("matchLabels") == {"app.kubernetes.io/name": name}
        for rule in policy["spec"].get(direction, [])
        for peer in rule[key]
        if "podSelector" not in peer
    ]
