"""schemathesis against a running API: does it keep to what its OpenAPI document says?

    python -m benchmarks.schema --user ada --examples 1000     (asks for the password)

All default checks, one request after another; the user needs the scopes `predict` and `generate`,
and limits that let some thousand requests through. Exit 0 where nothing is found.
"""

import argparse
import getpass
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import httpx

from benchmarks.schema_hooks import CLASSES_VARIABLE

HOOKS = "benchmarks.schema_hooks"


def check_schema(
    url: str, token: str, classes: Sequence[str], examples: int, seed: int = 1
) -> subprocess.CompletedProcess[str]:
    """Run schemathesis to its end. classes: that /generate can be asked for."""
    program = Path(sys.executable).with_name("schemathesis")
    told = ["run", f"{url}/openapi.json", "--header", f"Authorization: Bearer {token}"]
    how = ["--max-examples", str(examples), "--seed", str(seed), "--no-color"]
    hooks = {"SCHEMATHESIS_HOOKS": HOOKS, CLASSES_VARIABLE: json.dumps(list(classes))}
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
    form = {"username": given.user, "password": getpass.getpass()}
    token = httpx.post(f"{given.url}/token", data=form).raise_for_status().json()["access_token"]
    known = httpx.get(f"{given.url}/models", headers={"Authorization": f"Bearer {token}"}).json()
    classes = [name for model in known if model["conditional"] for name in model["classes"]]
    done = check_schema(given.url, token, classes, given.examples, given.seed)
    print(done.stdout, done.stderr)
    sys.exit(done.returncode)


if __name__ == "__main__":
    main()
