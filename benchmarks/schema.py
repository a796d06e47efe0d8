"""schemathesis against a running API: does it keep to what its OpenAPI document says?

    python -m benchmarks.schema --user ada --examples 1000     (asks for the password)

All default checks, one request after another; the user needs the scopes `predict`, `generate`,
`feedback` and `admin`, the generator must be a conditional one, and limits must let thousands of
requests through. Exit 0 where nothing is found.
"""

import argparse
import getpass
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import httpx

from benchmarks.schema_hooks import CLASSES_VARIABLE
from leafgate.strict_json import dump_json

HOOKS = "benchmarks.schema_hooks"
REVOKING = "/token/revoke"


def check_schema(
    url: str, sign_in: Callable[[], str], classes: Sequence[str], examples: int, seed: int = 1
) -> tuple[bool, str]:
    """Whether schemathesis finds nothing, and what it says.

    sign_in: a new token, for two runs: the path that revokes the token in use comes by itself, or
    all others would be refused from then on. classes: that the models know.
    """
    parts = (["--exclude-path", REVOKING], ["--include-path", REVOKING])
    runs = [_run(url, sign_in(), [*part, "--seed", str(seed)], classes, examples) for part in parts]
    return all(run.returncode == 0 for run in runs), "\n".join(r.stdout + r.stderr for r in runs)


def _run(
    url: str, token: str, more: list[str], classes: Sequence[str], examples: int
) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("schemathesis")
    told = ["run", f"{url}/openapi.json", "--header", f"Authorization: Bearer {token}"]
    how = ["--max-examples", str(examples), "--no-color", *more]
    hooks = {"SCHEMATHESIS_HOOKS": HOOKS, CLASSES_VARIABLE: dump_json(list(classes))}
    with tempfile.TemporaryDirectory() as folder:  # it leaves its notes where it runs
        return subprocess.run(
            [str(program), *told, *how],
            env={**os.environ, **hooks, "PYTHONPATH": str(Path(__file__).parents[1])},
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )


def main() -> None:
    """Sign in, ask which classes there are, and run."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--user", required=True)
    parser.add_argument("--examples", type=int, default=1000, help="for each operation")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    form = {"username": given.user, "password": os.environ.get("PASSWORD") or getpass.getpass()}

    def sign_in() -> str:
        answer = httpx.post(f"{given.url}/token", data=form).raise_for_status()
        return str(answer.json()["access_token"])

    headers = {"Authorization": f"Bearer {sign_in()}"}
    known = httpx.get(f"{given.url}/models", headers=headers).raise_for_status().json()
    classes = sorted(set.intersection(*(set(model["classes"]) for model in known)))
    clean, told = check_schema(given.url, sign_in, classes, given.examples, given.seed)
    print(told)
    sys.exit(0 if clean else 1)


if __name__ == "__main__":
    main()
