"""Mutated image files against POST /predict: only answers and documented refusals, memory flat.

    PASSWORD=... python -m benchmarks.mutated_images --user ada --pid 4711 --count 10000

--pid: of the service, whose memory (with its workers') is printed; the user needs the scope
`predict`, and limits that let all requests through. Exit 1 where an answer is not documented, a
connection breaks, or the service is not alive at the end.
"""

import argparse
import getpass
import os
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from benchmarks.mutations import mutated
from leafgate.clients import LOAD, user_agent

CONNECTIONS = 8
CHUNK = 1000
NOT_TRIED = (429, 503)  # the file was not looked at


@dataclass
class Outcome:
    """answers: how often each status and code. odd: what is not documented. slowest: seconds."""

    answers: Counter[str] = field(default_factory=Counter)
    odd: list[str] = field(default_factory=list)
    slowest: tuple[float, str] = (0.0, "")


def attack(
    url: str,
    token: str,
    seeds: range,
    after: Callable[[int], object] = lambda done: None,
) -> Outcome:
    """Send the file of each seed. after: called with how many are done, now and then."""
    outcome = Outcome()
    headers = {"Authorization": f"Bearer {token}", "User-Agent": user_agent(LOAD)}
    with httpx.Client(base_url=url, headers=headers, timeout=120) as client:
        responses = client.get("/openapi.json").json()["paths"]["/predict"]["post"]["responses"]
        allowed = {int(status) for status in responses if int(status) < 500}
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            for first in range(0, len(seeds), CHUNK):
                for sent in pool.map(lambda seed: _send(client, seed), seeds[first:][:CHUNK]):
                    _note(outcome, allowed, *sent)
                after(min(first + CHUNK, len(seeds)))
    return outcome


def _send(client: httpx.Client, seed: int) -> tuple[str, float, int, str]:
    """What was sent, the seconds it took, status and code; status 0 where nothing came back."""
    what, data = mutated(seed)
    told = f"{seed}: {what}"
    started = time.perf_counter()
    try:
        answer = client.post("/predict", files={"file": (what, data)})
    except httpx.HTTPError as error:
        return told, time.perf_counter() - started, 0, repr(error)
    code = "" if answer.is_success else str(answer.json().get("code"))
    return told, time.perf_counter() - started, answer.status_code, code


def _note(
    outcome: Outcome, allowed: set[int], told: str, seconds: float, status: int, code: str
) -> None:
    outcome.answers[f"{status} {code}".strip()] += 1
    outcome.slowest = max(outcome.slowest, (seconds, told))
    if status not in allowed or status in NOT_TRIED:
        outcome.odd.append(f"{told}: {status} {code}")


def memory_mb(pid: int) -> float:
    """Resident memory of a process and its children, in MiB."""
    statuses = Path("/proc").glob("[0-9]*/status")
    pages = 0
    for file in statuses:
        try:
            lines = dict(line.split(":", 1) for line in file.read_text().splitlines())
        except (OSError, ValueError):
            continue
        if pid in (int(lines["Pid"]), int(lines["PPid"])):
            pages += int(lines.get("VmRSS", "0 kB").split()[0])
    return pages / 1024


def main() -> None:
    """Sign in, attack, and print what came back."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--user", required=True)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--pid", type=int, help="of the service, to print its memory")
    given = parser.parse_args()
    password = os.environ.get("PASSWORD") or getpass.getpass()
    form = {"username": given.user, "password": password}
    token = httpx.post(f"{given.url}/token", data=form).raise_for_status().json()["access_token"]

    def report(done: int) -> None:
        print(f"{done:6}" + (f"  {memory_mb(given.pid):7.0f} MiB" if given.pid else ""))

    report(0)
    outcome = attack(given.url, token, range(given.first, given.first + given.count), report)
    for answer, times in outcome.answers.most_common():
        print(f"{times:6}  {answer}")
    print(f"slowest {outcome.slowest[0]:.2f} s: {outcome.slowest[1]}")
    print("\n".join(outcome.odd[:50]))
    alive = httpx.get(f"{given.url}/health").status_code == httpx.codes.OK
    sys.exit(0 if alive and not outcome.odd else 1)


if __name__ == "__main__":
    main()
