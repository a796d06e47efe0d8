"""Whose address the log and the limits know: the connection's, unless a proxy is configured."""

from pathlib import Path

import httpx
import sqlalchemy as sa

from leafgate.settings import Settings
from sql import open_database
from sql.schema import requests
from tests.integration.conftest import StartApi, api_settings
from tests.integration.processes import served
from tests.integration.test_api_answers import eventually, stored

CLAIMED = "203.0.113.9"


def test_the_service_believes_no_program_of_its_own_machine(
    served_var: Path, tmp_path: Path
) -> None:
    with served(served_var, tmp_path, address_limit="30/minute") as service:
        answers = [
            httpx.get(f"{service.url}/nothing", headers={"X-Forwarded-For": f"203.0.113.{number}"})
            for number in range(40)
        ]
        assert answers[-1].status_code == 429  # however many clients it says that there are
        database = open_database(service.settings.database)

        def sources() -> set[str | None]:
            with database.connect() as connection:
                return set(connection.scalars(sa.select(requests.c.source)))

        assert eventually(lambda: sources() != set())
        assert sources() == {"127.0.0.1"}


def test_a_proxy_names_its_clients_and_each_has_limits_of_its_own(
    settings: Settings, tmp_path: Path, start_api: StartApi
) -> None:
    own = {"trusted_proxies": "127.0.0.1", "address_limit": "20/minute"}
    api = start_api(api_settings(settings.var_dir, tmp_path, **own))

    def ask(forwarded: str) -> httpx.Response:
        return httpx.get(f"{api.url}/nothing", headers={"X-Forwarded-For": forwarded})

    for forwarded, source in (
        (f"1.1.1.1, [::ffff:{CLAIMED}]:80", CLAIMED),
        ("2001:DB8::0:1", "2001:db8::1"),
        ("=HYPERLINK(1)", "127.0.0.1"),
        ("x" * 2000, "127.0.0.1"),
    ):
        assert stored(api, ask(forwarded).headers["X-Request-ID"])["source"] == source
    statuses = [ask(CLAIMED).status_code for _ in range(30)]
    assert (statuses[0], statuses[-1]) == (404, 429)
    assert ask("203.0.113.10").status_code == 404
