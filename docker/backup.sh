#!/bin/sh
# Everything that cannot be made again, into a new folder, while the stack runs:
#
#   docker/backup.sh FOLDER
#
# Databases, MLflow's artifacts, the API's outbox and kept uploads, the trainer's state, certificates and
# .env, with checksums. Keep it as secret as .env. `docker/restore.sh FOLDER` is the way back.
set -eu
. "$(dirname "$0")/stack.sh"
[ $# = 1 ] || die "$# folders given" "docker/backup.sh FOLDER"
folder=$1
[ ! -e "$folder" ] || die "$folder exists" "name a new folder"

[ -n "$(running postgres)" ] || die "no PostgreSQL of the stack '$project' is up" "docker compose up -d"
umask 077
beside=$folder.part
rm -rf "$beside"
mkdir -p "$beside"
paused=
finish() {
  # shellcheck disable=SC2086 # several containers
  [ -z "$paused" ] || docker unpause $paused >/dev/null
  rm -rf "$beside"
}
trap finish EXIT
trap 'exit 1' INT TERM

# The outbox first: what leaves it for the database meanwhile is in both, and is stored once. Its files
# are those of one moment, since nobody writes while the containers are paused.
paused=$(running api && running api-gpu)
# shellcheck disable=SC2086 # several containers, or none
[ -z "$paused" ] || docker pause $paused >/dev/null
in_volume api tar -C /state --exclude ./models --exclude ./tmp -cf - . >"$beside/api.tar"
# shellcheck disable=SC2086
[ -z "$paused" ] || docker unpause $paused >/dev/null
paused=

# Then the databases, then the files that they name: those are written before a database names them.
# MLflow's come before the audit's, since a record is in the audit before it is a version's tag.
databases="mlflow mlflow_auth"
[ -n "$(container mssql)" ] || databases="$databases leafgate"
for database in $databases; do
  docker exec "$(container postgres)" pg_dump -U postgres -Fc "$database" >"$beside/$database.dump"
done
if [ -n "$(container mssql)" ]; then
  sqlcmd "BACKUP DATABASE leafgate TO DISK = '/var/opt/mssql/leafgate.bak' WITH COPY_ONLY, INIT, CHECKSUM" \
    >/dev/null
  docker cp "$(container mssql):/var/opt/mssql/leafgate.bak" "$beside/leafgate.bak" >/dev/null
  docker exec "$(container mssql)" rm /var/opt/mssql/leafgate.bak
fi
# What the trainer has seen of the audit may be newer than the dump: once restored, it would refuse that.
for name in artifacts training proxy-data; do
  in_volume "$name" tar -C /state --exclude ./tmp --exclude ./serving/audit -cf - . >"$beside/$name.tar"
done
cp "$env_file" "$beside/env"

(cd "$beside" && sha256sum -- * >SHA256SUMS)
mv "$beside" "$folder"
trap - EXIT
echo "$folder: $(du -sh "$folder" | cut -f1), $(wc -l <"$folder/SHA256SUMS") files"
