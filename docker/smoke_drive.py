"""What docker/smoke.sh has done inside the stack, in a container of the API's image.

    load URL IMAGE SECONDS   keep asking /predict; print the answered requests' ids, then a summary
    rows                     read ids; say how many of them are no row of the database yet
    metric                   how many requests this API's process has answered at /predict

LEAFGATE_TOKEN is sent along; the database is that of LEAFGATE_DATABASE_URL.
"""

import collections
import os
import sys
import threading
import time
from pathlib import Path

import httpx
import sqlalchemy as sa

from leafgate.clients import LOAD, user_agent

CLIENTS = 6
PATIENCE_SECONDS = 90
AT_ONCE = 1000  # ids in one question


def load(url: str, image: str, seconds: float) -> None:
    """Keep asking; each client's next request follows the answer to the last one."""
    content = Path(image).read_bytes()
    ids: list[str] = []
    outcomes: collections.Counter[str] = collections.Counter()
    until = time.monotonic() + seconds

    def ask() -> None:
        headers = {
            "Authorization": f"Bearer {os.environ['LEAFGATE_TOKEN']}",
            "User-Agent": user_agent(LOAD),
        }
        with httpx.Client(base_url=url, headers=headers, timeout=30, trust_env=False) as http:
            while time.monotonic() < until:
                try:
                    answer = http.post("/predict", files={"file": content})
                except httpx.HTTPError as error:
                    outcomes[type(error).__name__] += 1
                    continue
                by_us = "x-request-id" in answer.headers
                outcomes[f"{answer.status_code}{'' if by_us else ' by the proxy'}"] += 1
                if by_us:
                    ids.append(answer.headers["x-request-id"])

    clients = [threading.Thread(target=ask) for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    print("\n".join(ids))
    told = ", ".join(f"{number} x {what}" for what, number in sorted(outcomes.items()))
    print(f"{len(ids)} requests answered in {seconds:.0f} s ({told})", file=sys.stderr)


def rows() -> None:
    """Wait until each id is a row; exit with 1 where one does not come."""
    ids = sorted(set(sys.stdin.read().split()))
    engine = sa.create_engine(os.environ["LEAFGATE_DATABASE_URL"])
    requests = sa.table("requests", sa.column("id"))
    until = time.monotonic() + PATIENCE_SECONDS
    missing = ids
    while missing and time.monotonic() < until:
        found: set[str] = set()
        with engine.connect() as connection:
            for at in range(0, len(missing), AT_ONCE):
                part = missing[at : at + AT_ONCE]
                found |= set(
                    connection.scalars(sa.select(requests.c.id).where(requests.c.id.in_(part)))
                )
        missing = [each for each in missing if each not in found]
        time.sleep(1 if missing else 0)
    print(f"{len(ids)} answered requests, {len(ids) - len(missing)} of them rows of the database")
    sys.exit(1 if missing or not ids else 0)


def metric() -> None:
    """Sum over the answers at /predict."""
    token = {"Authorization": f"Bearer {os.environ['LEAFGATE_METRICS_TOKEN']}"}
    answer = httpx.get("http://127.0.0.1:8000/metrics", headers=token, trust_env=False)
    lines = answer.text.splitlines()
    mine = (
        line for line in lines if line.startswith('leafgate_requests_total{endpoint="/predict"')
    )
    print(round(sum(float(line.rsplit(" ", 1)[1]) for line in mine)))


if __name__ == "__main__":
    what, *arguments = sys.argv[1:]
    if what == "load":
        load(arguments[0], arguments[1], float(arguments[2]))
    else:
        {"rows": rows, "metric": metric}[what]()
