# What backup.sh, restore.sh and smoke.sh know about a stack; read by them with `.`, not run.
# shellcheck shell=sh disable=SC2034 # `root`, `env_file` and `project` are for them

root=$(cd "$(dirname "$0")/.." && pwd)
env_file=${ENV_FILE:-$root/.env}
# As Compose names a project.
project=${COMPOSE_PROJECT_NAME:-$(sed -n 's/^COMPOSE_PROJECT_NAME=//p' "$env_file" 2>/dev/null || true)}
project=${project:-$(basename "$root" | tr '[:upper:]' '[:lower:]' | tr -cd 'a-z0-9_-')}

compose() { "$root/docker/compose.sh" "$@"; }

die() {
  echo "error: $1" >&2
  echo "  what to do: $2" >&2
  exit 1
}

container() { listed "$1" --all; } # those of the service $1, running or not; nothing where none
running() { listed "$1"; }
listed() { # by `docker ps`, with its options after the service
  service=$1
  shift
  docker ps -q "$@" --filter "label=com.docker.compose.project=$project" \
    --filter "label=com.docker.compose.service=$service" --filter "label=com.docker.compose.oneoff=False"
}

volume() { # the name of the volume $1; nothing where there is none
  docker volume ls -q --filter "label=com.docker.compose.project=$project" \
    --filter "label=com.docker.compose.volume=$1"
}

in_volume() { # a command on the volume $1 as /state, by a container without a network
  name=$1
  shift
  docker run --rm -i --network none --user 0 -v "$(volume "$name"):/state" leafgate-api "$@"
}

await() { # until the service $1 is healthy; $2: the seconds that it may take
  for _ in $(seq "$2"); do
    found=$(docker inspect -f '{{.State.Health.Status}}' "$(container "$1")" 2>/dev/null || true)
    [ "$found" = healthy ] && return
    sleep 1
  done
  die "$1 is not healthy after $2 s" "docker compose logs $1"
}

sqlcmd() { # a statement for SQL Server, as its administrator
  docker exec "$(container mssql)" sh -c \
    "SQLCMDPASSWORD=\$MSSQL_SA_PASSWORD /opt/mssql-tools18/bin/sqlcmd -C -S localhost -U sa -b -Q \"$1\""
}
