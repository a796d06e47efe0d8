#!/bin/sh
# Compose, whichever this machine has, in the repository's root: `docker compose`, or `docker-compose`.
set -eu
cd "$(dirname "$0")/.."
if docker compose version >/dev/null 2>&1; then
  exec docker compose "$@"
elif command -v docker-compose >/dev/null; then
  exec docker-compose "$@"
fi
echo "neither 'docker compose' nor 'docker-compose' is here: https://docs.docker.com/compose/install/" >&2
exit 1
