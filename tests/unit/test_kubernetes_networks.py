"""On Kubernetes nobody reaches anybody, but for the ways that are listed here."""

from pathlib import Path

import pytest

from tests.manifests import Stack, as_written, name_of, outer_rules, ways, with_components

ALWAYS = {
    ("dashboard", "api", 8000),
    ("api", "mlflow", 5000),
    ("mlflow-init", "mlflow", 5000),
    ("trainer", "mlflow", 5000),
    ("api", "redis", 6379),
    ("mlflow", "postgres", 5432),
    ("migrate", "postgres", 5432),
}
LOG_CLIENTS = ("api", "dashboard", "migrate", "trainer")


def log_at(name: str, port: int) -> set[tuple[str, str, int]]:
    return {(client, name, port) for client in LOG_CLIENTS}


@pytest.fixture
def sqlserver(tmp_path: Path) -> Stack:
    return with_components(tmp_path, "sqlserver")


def require_just(stack: Stack, wanted: set[tuple[str, str, int]]) -> None:
    """Both ends of each way agree, and at its end somebody listens."""
    assert ways(stack, "ingress") == wanted
    assert ways(stack, "egress") == wanted
    listening = {(name_of(pod.labels), port) for pod in stack.pods for port in pod.ports.values()}
    assert {(name, port) for _, name, port in wanted} <= listening


def test_each_part_reaches_what_it_needs_and_nothing_else() -> None:
    require_just(as_written(), ALWAYS | log_at("postgres", 5432))


def test_with_sql_server_the_log_is_asked_for_there_alone(sqlserver: Stack) -> None:
    require_just(sqlserver, ALWAYS | log_at("mssql", 1433))


def test_what_no_policy_allows_is_refused_both_ways() -> None:
    deny = as_written().one("NetworkPolicy", "default-deny")["spec"]
    assert deny == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    for policy in as_written().of("NetworkPolicy"):
        told = {name.capitalize() for name in policy["spec"] if name in ("ingress", "egress")}
        assert told <= set(policy["spec"]["policyTypes"]), policy["metadata"]


def test_from_outside_come_an_ingress_and_prometheus_and_outside_goes_a_trainer_alone() -> None:
    stack = as_written()
    entered = {
        name_of(p.labels): outer_rules(stack, name_of(p.labels), "ingress") for p in stack.pods
    }
    assert {name: [ports for _, ports in rules] for name, rules in entered.items() if rules} == {
        "api": [[8000], [8000]],
        "dashboard": [[8501]],
        "mlflow": [[5000]],
    }
    left = {name_of(p.labels): outer_rules(stack, name_of(p.labels), "egress") for p in stack.pods}
    ((peer, ports),) = (rule for rules in left.values() for rule in rules)
    assert left["trainer"] == [(peer, ports)]
    assert ports == [443]
    private = {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"}
    assert private <= set(peer["ipBlock"]["except"])


def test_everybody_may_ask_for_names() -> None:
    (rule,) = as_written().one("NetworkPolicy", "names")["spec"]["egress"]
    assert {(port["protocol"], port["port"]) for port in rule["ports"]} == {
        ("UDP", 53),
        ("TCP", 53),
    }
