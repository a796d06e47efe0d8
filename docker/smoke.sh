#!/usr/bin/env bash
# Brings the whole stack up beside whatever runs, proves that it does what it is for, and removes it:
#
#   docker/smoke.sh              with PostgreSQL for the request log
#   docker/smoke.sh --sqlserver  with SQL Server (accepts its licence: https://aka.ms/mssql-eula)
#   docker/smoke.sh --keep       leaves the stack up in the end, and says how to reach it
#
# It needs Docker with Compose, curl, 10 GB of disk, 8 GB of memory and, the first time, a network for
# packages. Images of others are pulled; where no registry is reached, a Caddy out of Debian's packages
# takes the official one's place. About 15 minutes on two cores, a third of them to build.
set -euo pipefail
cd "$(dirname "$0")/.."
variant=postgres keep=
for option in "$@"; do
  case $option in
    --sqlserver) variant=sqlserver ;;
    --keep) keep=yes ;;
    *) sed -n '2,10p' "$0" && exit 2 ;;
  esac
done

work=$(mktemp -d)
export ENV_FILE=$work/env COMPOSE_PROJECT_NAME=leafgate-smoke COMPOSE_FILE=docker-compose.yml
[ $variant = sqlserver ] || COMPOSE_FILE=docker-compose.yml:docker/compose.postgres.yml
. docker/stack.sh
started=$SECONDS
curl() { command curl --noproxy '*' "$@"; } # all that is asked is on this machine
say() { printf '%5d s  %s\n' $((SECONDS - started)) "$*"; }

finish() {
  status=$?
  trap - EXIT
  if [ $status != 0 ]; then
    say "FAILED; the last lines of each part:"
    compose logs --tail 15 || true
  fi
  if [ -z "$keep" ] || [ $status != 0 ]; then
    compose down --volumes --remove-orphans >"$work/down.log" 2>&1 || cat "$work/down.log"
    rm -rf "$work"
    say "torn down"
  else
    say "left up: set -a; . $ENV_FILE; set +a; COMPOSE_PROJECT_NAME=$COMPOSE_PROJECT_NAME COMPOSE_FILE=$COMPOSE_FILE"
  fi
  exit $status
}
trap finish EXIT

free_port() { # the first from $1 on that nobody listens to
  for port in $(seq "$1" $(($1 + 200))); do
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port" && return; }
  done
}

read_json() { docker run --rm -i leafgate-api python -c "import json,sys; print(json.load(sys.stdin)$1)"; }
until_ok() { # a command, each second; $1: for how many seconds
  local most=$1
  shift
  for _ in $(seq "$most"); do "$@" >/dev/null 2>&1 && return; sleep 1; done
  say "not within $most s: $*"
  return 1
}
healthy() { # all $2 containers of the service $1
  [ "$(container "$1" | xargs docker inspect -f '{{.State.Health.Status}}' | grep -c '^healthy$')" = "$2" ]
}
drive() { # docker/smoke_drive.py in a container on the networks of the API
  compose run --rm --no-deps -T -e LEAFGATE_TOKEN="${token:-}" -v "$root/docker:/smoke:ro" \
    -v "$work:/work:ro" api python /smoke/smoke_drive.py "$@" 2>"$work/drive.log"
}
load_and() { # keep asking for 20 s; after 6 s do the rest of the command; every answer must become a row
  drive load http://proxy:8000 /work/leaf.png 20 >"$work/ids" &
  local asking=$!
  sleep 6
  "$@" >/dev/null
  wait $asking
  say "  $(grep answered "$work/drive.log")"
}

# --- Secrets of its own, ports that are free, and limits that the load does not meet.
docker/secrets.sh "$ENV_FILE"
{
  echo "API_PORT=$(free_port 18000)"
  echo "DASHBOARD_PORT=$(free_port 18501)"
  echo "MLFLOW_PORT=$(free_port 15000)"
  echo LEAFGATE_PREDICT_LIMIT=1000000/minute
  echo LEAFGATE_ADDRESS_LIMIT=1000000/minute
} >>"$ENV_FILE"
set -a
# shellcheck source=/dev/null
. "$ENV_FILE"
set +a
api=http://127.0.0.1:$API_PORT
compose down --volumes --remove-orphans >/dev/null 2>&1 # what a run that was killed left behind

# Images of others are those that the files pin by digest; where no registry is reached, what this machine
# has under the name alone takes their place, as .env may say.
here() { docker image inspect "$1" >/dev/null 2>&1; }
for name in PYTHON_IMAGE POSTGRES_IMAGE REDIS_IMAGE PROXY_IMAGE; do
  image=$(sed -n "s/.*\${$name:-\([^}]*\)}.*/\1/p" docker-compose.yml | head -n 1)
  here "$image" || docker pull -q "$image" >/dev/null 2>&1 || {
    say "no registry is reached: ${image%@*} is this machine's own"
    export "$name=${image%@*}"
    echo "$name=${image%@*}" >>"$ENV_FILE"
  }
done
here "${PROXY_IMAGE:-caddy:2}" || [ -z "${PROXY_IMAGE:-}" ] || {
  say "Caddy comes out of Debian's packages"
  docker build -q -t "$PROXY_IMAGE" ${PYTHON_IMAGE:+--build-arg "PYTHON_IMAGE=$PYTHON_IMAGE"} \
    -f docker/proxy/debian.Dockerfile . >"$work/caddy.log" 2>&1 || { cat "$work/caddy.log"; exit 1; }
}

say "building the images"
compose build api dashboard mlflow trainer >"$work/build.log" 2>&1 || { tail -n 40 "$work/build.log"; exit 1; }
docker image ls --format '{{.Repository}} {{.Size}}' | grep '^leafgate-' | sort -u | sed 's/^/         /'
[ "$(docker image inspect -f '{{.Size}}' leafgate-api)" -lt 1200000000 ]

say "starting the stack, with the request log in $variant"
compose up -d >"$work/up.log" 2>&1 || { tail -n 20 "$work/up.log"; exit 1; }
for service in postgres redis mlflow api dashboard proxy; do until_ok 180 healthy $service 1; done
say "all parts are healthy"
compose ps

reason=$(curl -s "$api/ready" | read_json "['detail']")
say "before there is a model, /ready says: $reason"
[ "$(curl -s -o /dev/null -w '%{http_code}' "$api/ready")" = 503 ]
[ "$(curl -s -o /dev/null -w '%{http_code}' "http://127.0.0.1:$MLFLOW_PORT/")" = 401 ]
say "MLflow asks who is there (401)"

say "training the small demo inside, some minutes"
compose run --rm trainer leafgate demo --no-serve >"$work/train.log" 2>&1 || { tail -n 40 "$work/train.log"; exit 1; }
grep -E '^leaf-.* is (promoted|held back)' "$work/train.log" | sed 's/^/         /'

until_ok 60 curl -fs "$api/ready"
say "the API took the classifier up by itself: /ready says 200"
password=$(od -An -N12 -tx1 /dev/urandom | tr -d ' \n')
compose exec -T -e PASSWORD="$password" api \
  leafgate users add ada --scope predict --scope generate --scope admin | sed 's/^/         /'
token=$(curl -fs "$api/token" -d username=ada -d password="$password" | read_json "['access_token']")
signed="Authorization: Bearer $token"

# shellcheck disable=SC2016 # expanded in the container
in_volume training sh -c 'cat "$(ls /state/demo/leaves/*/* | head -n 1)"' >"$work/leaf.png"
chmod -R a+rX "$work"
answer=$(curl -fs "$api/predict" -H "$signed" -F "file=@$work/leaf.png")
class=$(read_json "['class']" <<<"$answer")
say "/predict: $class"
read_json "['request_id']" <<<"$answer" | drive rows | sed 's/^/         /'

# The gate may hold the demo's generator back; an administrator puts it into production by the API.
if ! curl -fs -o /dev/null "$api/generate?n=1&format=png" -H "$signed"; then
  say "promoting the generator by force: $(curl -s "$api/models/leaf-generator/promote" -H "$signed" \
    -H 'Content-Type: application/json' -d '{"version": 1, "reason": "smoke test"}' |
    read_json "['told']")"
fi
until_ok 60 curl -fs "$api/generate?n=16&seed=7&format=png" -H "$signed" -o "$work/generated.png"
say "/generate: $(wc -c <"$work/generated.png") bytes of PNG, $(head -c 4 "$work/generated.png" | tail -c 3)"

dashboard=http://127.0.0.1:$DASHBOARD_PORT
curl -fs "$dashboard/" | grep -i '<html' >/dev/null
upgrade=$(curl -s -o /dev/null -w '%{http_code}' --max-time 3 --http1.1 -H 'Connection: Upgrade' \
  -H 'Upgrade: websocket' -H 'Sec-WebSocket-Version: 13' -H 'Sec-WebSocket-Key: bGVhZmdhdGUtc21va2UtMQ==' \
  "$dashboard/_stcore/stream" || true)
[ "$upgrade" = 101 ]
say "the dashboard's page is there, and its WebSocket opens (101)"
browser=$(command -v chromium || command -v google-chrome || true)
python=${BROWSER_PYTHON:-.venv/bin/python} # one with Playwright: of `make test`, where that was run
if [ -n "$browser" ] && "$python" -c 'import playwright' 2>/dev/null; then
  seen=$(SMOKE_USER=ada SMOKE_PASSWORD=$password "$python" docker/smoke_page.py "$dashboard" "$browser")
  say "a browser: $seen"
else
  say "no browser and Playwright here: pages are not looked at"
fi

say "scaling the API to 3, then asking without a break while one of them is killed"
compose up -d --no-recreate --scale api=3 >"$work/up.log" 2>&1 || { cat "$work/up.log"; exit 1; }
until_ok 120 healthy api 3
sleep 3 # the proxy looks them up every two seconds
drive load http://proxy:8000 /work/leaf.png 5 >"$work/ids"
counts=$(for each in $(container api); do docker exec -i "$each" python - metric <docker/smoke_drive.py; done)
say "  answered by each: $(tr '\n' ' ' <<<"$counts")"
if grep -qx 0 <<<"$counts"; then exit 1; fi
load_and docker kill "$(container api | head -n 1)"
drive rows <"$work/ids" | sed 's/^/         /'
codes=$(for _ in $(seq 15); do curl -s -o /dev/null -w '%{http_code}\n' "$api/token" -d username=eve -d password=wrong-guess; done)
say "limits are counted together: of 15 sign-ins in a row $(grep -c 429 <<<"$codes") were refused with 429"
compose up -d --no-recreate --scale api=3 >/dev/null 2>&1
until_ok 120 healthy api 3

database=postgres
[ $variant = postgres ] || database=mssql
say "asking without a break while $database is restarted"
load_and docker restart "$(container $database)"
drive rows <"$work/ids" | sed 's/^/         /'

say "a backup, a stack without state, and the way back"
docker/backup.sh "$work/backup" | sed 's/^/         /'
docker/restore.sh "$work/backup" --replace >"$work/restore.log" 2>&1 || { tail -n 20 "$work/restore.log"; exit 1; }
until_ok 180 curl -fs "$api/ready"
drive rows <"$work/ids" | sed 's/^/         /'
until_ok 70 curl -fs "$api/predict" -H "$signed" -F "file=@$work/leaf.png"
say "the restored stack answers, to the token of before"
compose exec -T api leafgate models audit --verify | tail -n 1 | sed 's/^/         /'
say "ALL DONE"
