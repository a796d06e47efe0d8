#!/bin/sh
# Gives each secret of .env, or of the file named, that is empty or missing a random value; one that has
# a value is left alone. Makes the file of .env.example where there is none. Nobody but its owner can
# read it afterwards. Empty is what Compose reads as empty: `X=""`, `X= # a remark`, `export X=`, too.
set -eu
umask 077
root=$(cd "$(dirname "$0")/.." && pwd)
file=${1:-$root/.env}

die() {
  echo "error: $1" >&2
  echo "  what to do: $2" >&2
  exit 1
}

if [ -L "$file" ]; then # it stays one
  link=$file
  file=$(readlink -f "$link") || die "$link leads nowhere" "remove it, or make the folder that it leads to"
fi
if [ -d "$file" ]; then die "$file is a folder" "remove it; the file is then made of .env.example"; fi
from=$file
if [ ! -e "$file" ]; then from=$root/.env.example; fi
if [ ! -r "$from" ]; then die "$from cannot be read" "run this as its owner, or: chmod u+r $from"; fi
if [ "$(tr -d '\000' <"$from" | wc -c)" -ne "$(wc -c <"$from")" ]; then
  die "$from is no UTF-8 text" "save it as UTF-8 in your editor"
fi

beside=$(mktemp "$file.XXXXXX" 2>/dev/null || mktemp)
trap 'rm -f "$beside" "$beside.next"' EXIT

# Lines end as the shell, which reads the file too, has it; the last one as well; without a byte order mark.
unix_lines() { awk 'NR == 1 { sub(/^\357\273\277/, "") } { sub(/\r+$/, ""); gsub(/\r/, "\n"); print }' "$1"; }

# Write `$2` to the last line that sets `$1`, if it sets it to nothing, or to a line of its own. Changes
# nothing, and exits 1, where it has a value.
fill() {
  awk -v name="$1" -v value="$2" '
    function setting(line) { # what follows the sign; a mark where another name or nothing is set
      sub(/^[ \t]*(export[ \t]+)?/, "", line)
      if (line !~ "^" name "[ \t]*[=:]") return "\001"
      sub(/^[^=:]*[=:]/, "", line)
      return line
    }
    { lines[NR] = $0; if (setting($0) != "\001") last = NR }
    END {
      if (last && setting(lines[last]) !~ /^[ \t]*("[ \t]*"|'\''[ \t]*'\'')?[ \t]*$/ &&
          setting(lines[last]) !~ /^([ \t]*("[ \t]*"|'\''[ \t]*'\''))?[ \t]+#/) exit 1
      for (n = 1; n <= NR; n++) {
        if (n != last) { print lines[n]; continue }
        if (match(lines[n], /#.*/)) print substr(lines[n], RSTART)
        print (lines[n] ~ /^[ \t]*export[ \t]/ ? "export " : "") name "=" value
      }
      if (!last) print name "=" value
    }' "$beside" >"$beside.next" || return 1
  mv -f "$beside.next" "$beside"
}

unix_lines "$from" >"$beside"
made=0
for name in $(unix_lines "$root/.env.example" | sed -n 's/^\([A-Z_]*\)=$/\1/p'); do # what is empty there
  value=$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')
  # SQL Server wants capitals and small letters besides digits.
  case $name in *_PASSWORD) value=Lg-$value ;; esac
  if fill "$name" "$value"; then made=$((made + 1)); fi
done

# What was narrower than 0600 stays so, and what is root's or a user's stays theirs.
mode=600
if [ -e "$file" ]; then
  # shellcheck disable=SC2012 # `stat` differs between systems; only mode and owner are read
  read -r rights _ owner group _ <<LS
$(ls -ldn "$file")
LS
  case $rights in -r-*) mode=400 ;; esac
  if [ "$(id -u)" = 0 ]; then chown "$owner:$group" "$beside"; fi
fi
chmod $mode "$beside"
# In place where the folder takes no new file, as around one that is mounted by itself.
mv -f "$beside" "$file" 2>/dev/null || cat "$beside" 2>/dev/null >"$file" ||
  die "$file cannot be written" "run this as the owner of the file and of its folder"
echo "$made secrets made in $file"
