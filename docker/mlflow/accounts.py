"""The user by which LeafGate signs in to MLflow: no administrator, but owner of what it made.

Repeatable: it is made, or given the password of MLFLOW_SERVICE_PASSWORD anew.
"""

import os
import sys
from urllib.parse import urlsplit

from mlflow.exceptions import MlflowException
from mlflow.server.auth.client import AuthServiceClient

NAME = "leafgate"


def main() -> None:
    """Signed in as MLFLOW_TRACKING_USERNAME; exit 1 with what MLflow says where that fails."""
    password, server = os.environ["MLFLOW_SERVICE_PASSWORD"], os.environ["MLFLOW_TRACKING_URI"]
    os.environ["no_proxy"] = os.environ["NO_PROXY"] = urlsplit(server).hostname or "*"  # it is ours
    client = AuthServiceClient(server)
    try:
        client.create_user(NAME, password)
        print(f"user {NAME} is made")
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            sys.exit(f"{error}: was MLFLOW_ADMIN_PASSWORD changed after the first start?")
        client.update_user_password(NAME, password)
        print(f"user {NAME} has its password")


if __name__ == "__main__":
    main()
