"""Which addresses are reached directly, whatever `http_proxy` says: this machine and the stack.

Clients of other vendors (MLflow's, by requests) read `no_proxy`, which is therefore extended. They
read it each in their own way: urllib and requests know no IPv6 networks, httpx refuses brackets.
Our own clients ask `proxy_of`, which knows them all.
"""

import os
import re
from collections.abc import Iterable, MutableMapping
from ipaddress import IPv4Address, IPv6Address, ip_network
from urllib.parse import urlsplit
from urllib.request import getproxies

from leafgate.hosts import address_of, is_loopback, without_brackets

# Services of docker-compose.yml and of docker/k8s, and where a cluster keeps its names.
STACK = ("api", "api-gpu", "api-pods", "dashboard", "mlflow", "mssql", "postgres", "proxy", "redis")
CLUSTER = ("leafgate", "svc", "cluster.local")  # the namespace, and what follows it
DIRECT = ("localhost", "127.0.0.1", "127.0.0.0/8", "::1", "0.0.0.0", *STACK, *CLUSTER)  # noqa: S104
PROXIES = ("http_proxy", "https_proxy", "all_proxy")
NO_PROXY = ("no_proxy", "NO_PROXY")
WITH_PORT = re.compile(r"(\[[^\]]*\]|[^:]*):(\d+)")  # in no_proxy


def keep_own_traffic_direct(
    *hosts: str, environment: MutableMapping[str, str] = os.environ
) -> None:
    """Extend `no_proxy` by this machine, the stack and `hosts`, where a proxy is set.

    What the user has in it stays. Processes that are started later inherit it.
    """
    if not has_proxy(environment):
        return
    lower, upper = (environment.get(name, "").strip() for name in NO_PROXY)
    wanted = [*DIRECT, *(bare for host in hosts if (bare := without_brackets(host)))]
    # Each where the other is not set, too: most clients read the first of the two that is.
    for name, given in zip(NO_PROXY, (lower or upper, upper or lower), strict=True):
        entries = _entries(given)
        if "*" in entries:
            environment[name] = "*"  # urllib and requests know it alone, and not in a list
            continue
        missing = [each for each in wanted if each not in entries]
        environment[name] = ",".join([*entries, *dict.fromkeys(missing)])


def has_proxy(environment: MutableMapping[str, str] = os.environ) -> bool:
    """Whether a proxy is set, for any kind of address."""
    return any(environment.get(name) or environment.get(name.upper()) for name in PROXIES)


def proxy_of(url: str) -> str | None:
    """The proxy by which `url` is reached, from the environment; None: it is reached directly."""
    parts = urlsplit(url)
    found = getproxies()
    proxy = found.get(parts.scheme) or found.get("all")
    if not proxy or not parts.hostname or is_direct(parts.hostname):
        return None
    if _is_listed(parts.hostname, parts.port, _entries(found.get("no", ""))):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def is_direct(host: str) -> bool:
    """Whether the host is this machine, or a part of the stack."""
    address = address_of(host)
    if address is not None:
        return address.is_loopback or address.is_unspecified
    return is_loopback(host) or _is_within(host.rstrip(".").lower(), STACK + CLUSTER)


def _is_listed(host: str, port: int | None, entries: Iterable[str]) -> bool:
    """Whether `no_proxy` names the host, as any of the usual clients would read it."""
    address, name = address_of(host), host.rstrip(".").lower()
    for entry in entries:
        if entry == "*":
            return True
        with_port = WITH_PORT.fullmatch(entry)
        if with_port and with_port[2] != str(port):
            continue
        place = with_port[1] if with_port else entry
        if address is None and _is_within(name, [place.lower().lstrip("*").strip(".")]):
            return True
        if address is not None and _is_in_network(address, place):
            return True
    return False


def _is_within(name: str, domains: Iterable[str]) -> bool:
    return any(name == each or name.endswith(f".{each}") for each in domains if each)


def _is_in_network(address: IPv4Address | IPv6Address, network: str) -> bool:
    try:
        return address in ip_network(network.replace("[", "").replace("]", ""), strict=False)
    except ValueError:
        return False


def _entries(text: str) -> list[str]:
    return [entry for part in text.split(",") for entry in part.split()]
