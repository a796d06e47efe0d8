#!/bin/sh
# What docker/backup.sh kept, into a stack without state, which runs afterwards:
#
#   docker/restore.sh FOLDER             refuses where there is state already
#   docker/restore.sh FOLDER --replace   removes that state first
set -eu
. "$(dirname "$0")/stack.sh"
folder=${1:-}
[ -f "$folder/SHA256SUMS" ] || die "${folder:-nothing} is no backup" "docker/restore.sh FOLDER [--replace]"
(cd "$folder" && sha256sum --quiet -c SHA256SUMS) || die "$folder is damaged" "take another backup"

[ -e "$env_file" ] || (umask 077 && cp "$folder/env" "$env_file")
for name in LEAFGATE_AUDIT_KEY LEAFGATE_LOG_IDENTITY_KEY; do
  [ "$(grep "^$name=" "$env_file")" = "$(grep "^$name=" "$folder/env")" ] ||
    die "$name of $env_file is not the backup's" "take the value of $folder/env, or move that file away"
done

[ "${2:-}" != --replace ] || compose down --volumes
[ -z "$(docker volume ls -q --filter "label=com.docker.compose.project=$project")" ] ||
  die "the stack '$project' has state already" "docker/restore.sh $folder --replace removes that state"
trap 'echo "error: $folder is not restored; once the cause is gone: docker/restore.sh $folder --replace" >&2' EXIT

compose up -d postgres-init >/dev/null # and PostgreSQL, which it needs
await postgres 120
[ "$(docker wait "$(container postgres-init)")" = 0 ] || die "no databases" "docker compose logs postgres-init"
for dump in "$folder"/*.dump; do
  database=$(basename "$dump" .dump)
  docker exec -i "$(container postgres)" pg_restore -U postgres --clean --if-exists --exit-on-error \
    -d "$database" <"$dump"
done
if [ -f "$folder/leafgate.bak" ]; then
  compose up -d mssql >/dev/null
  await mssql 300
  docker cp "$folder/leafgate.bak" "$(container mssql):/var/opt/mssql/leafgate.bak" >/dev/null
  docker exec -u 0 "$(container mssql)" chmod 644 /var/opt/mssql/leafgate.bak
  sqlcmd "RESTORE DATABASE leafgate FROM DISK = '/var/opt/mssql/leafgate.bak' WITH REPLACE, CHECKSUM" >/dev/null
  docker exec -u 0 "$(container mssql)" rm /var/opt/mssql/leafgate.bak
  compose up -d mssql-init >/dev/null # ties the restored users to this server's logins
  [ "$(docker wait "$(container mssql-init)")" = 0 ] || die "no logins" "docker compose logs mssql-init"
fi

within() { compose run --rm --no-deps -T "$@"; } # a command in a container of a service, by itself
within api tar -C /var/lib/leafgate -xf - <"$folder/api.tar"
within mlflow tar -C /var/lib/mlflow -xf - <"$folder/artifacts.tar"
within trainer tar -C /var/lib/leafgate -xf - <"$folder/training.tar"
within proxy tar -C /data -xf - <"$folder/proxy-data.tar"
compose up -d
trap - EXIT
echo "$folder is restored"
