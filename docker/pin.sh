#!/bin/sh
# Pins the images of others to what their tags mean now, in every file that names one:
#
#   docker/pin.sh            ask the registries (docker buildx), and write the digests
#   docker/pin.sh --check    write nothing; exit 1 where a tag means another image by now
#
# Then build, and run docker/smoke.sh, before it is committed. RESOLVE: another command that prints the
# digest of the image given to it.
set -eu
cd "$(dirname "$0")/.."
case ${1:-} in
  '' | --check) ;;
  *) sed -n '2,8p' "$0" && exit 2 ;;
esac

digest_of() { docker buildx imagetools inspect --format '{{.Manifest.Digest}}' "$1"; }

pinned='[a-z0-9][a-z0-9./-]*:[A-Za-z0-9._-]*@sha256:[0-9a-f]*'
files=$(grep -rl -- "$pinned" docker docker-compose.yml)
images=$(printf '%s\n' "$files" | xargs grep -oh -- "$pinned" | sort -u)
new=
for old in $images; do
  image=${old%@*}
  digest=$(${RESOLVE:-digest_of} "$image") || digest=
  if ! printf '%s\n' "$digest" | grep -qx 'sha256:[0-9a-f]\{64\}'; then
    echo "error: no digest of $image was found, but '$digest'" >&2
    echo "  what to do: see whether its registry can be reached; nothing was changed" >&2
    exit 2
  fi
  [ "$old" = "$image@$digest" ] || new="$new $old=$digest"
done

for change in $new; do
  old=${change%%=*}
  echo "${old%@*}: ${old#*@} is now ${change#*=}"
  [ "${1:-}" = --check ] || printf '%s\n' "$files" | xargs sed -i "s|$old|${old%@*}@${change#*=}|g"
done
if [ -z "$new" ]; then
  echo "every image is what its tag means"
elif [ "${1:-}" = --check ]; then
  exit 1
fi
