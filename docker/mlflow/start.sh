#!/bin/sh
# MLflow's server with sign-in: its tables and its users in PostgreSQL, artifacts under
# /var/lib/mlflow and passed through the server. From the environment:
#
#   MLFLOW_DB_PASSWORD               of the role `mlflow`
#   MLFLOW_AUTH_ADMIN_PASSWORD       of the user `admin`, taken at the very first start alone
#   MLFLOW_FLASK_SERVER_SECRET_KEY   signs the forms of its pages
#   MLFLOW_ORIGINS                   addresses at which people open it, with commas between
#   MLFLOW_HOSTS                     names besides mlflow:5000 that it is asked by, likewise
set -eu
umask 077 # artifacts, and the file of its settings, are for this user alone
: "${MLFLOW_DB_PASSWORD:?is not set}" "${MLFLOW_AUTH_ADMIN_PASSWORD:?is not set}"
: "${MLFLOW_FLASK_SERVER_SECRET_KEY:?is not set}"

# libpq takes the password from here; an address with it would show in the list of processes.
export PGPASSWORD="$MLFLOW_DB_PASSWORD"
# Neither statistics for its makers nor the processes that judge chats.
export MLFLOW_DISABLE_TELEMETRY=true MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false
store=postgresql+psycopg://mlflow@${MLFLOW_DB_HOST:-postgres}
export MLFLOW_AUTH_CONFIG_PATH=/tmp/auth.ini
cat >"$MLFLOW_AUTH_CONFIG_PATH" <<INI
[mlflow]
default_permission = READ
database_uri = $store/mlflow_auth
admin_username = admin
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
auth_cache_ttl_seconds = 60
INI

mlflow db upgrade "$store/mlflow"
exec mlflow server --app-name basic-auth --backend-store-uri "$store/mlflow" \
  --artifacts-destination /var/lib/mlflow/artifacts --serve-artifacts \
  --host 0.0.0.0 --port 5000 --workers "${MLFLOW_WORKERS:-1}" \
  --allowed-hosts "mlflow:5000${MLFLOW_HOSTS:+,$MLFLOW_HOSTS}" \
  --cors-allowed-origins "${MLFLOW_ORIGINS:-http://localhost:5000}" \
  --uvicorn-opts "--no-access-log"
