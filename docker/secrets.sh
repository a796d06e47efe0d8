#!/bin/sh
# Gives each secret of .env, or of the file named, that is empty or missing a random value; one that has
# a value is left alone. Makes the file of .env.example where there is none. Nobody but its owner can
# read it afterwards.
set -eu
root=$(dirname "$0")/..
file=${1:-$root/.env}

umask 077
beside=$file.$$.part
trap 'rm -f "$beside"' EXIT
if [ -e "$file" ]; then cat "$file"; else cat "$root/.env.example"; fi >"$beside"
made=0
secrets=$(sed -n 's/^\([A-Z_]*\)=$/\1/p' "$root/.env.example") # what is empty there
for name in $secrets; do
  if grep -q "^$name=." "$beside"; then continue; fi
  value=$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')
  # SQL Server wants capitals and small letters besides digits.
  case $name in *_PASSWORD) value=Lg-$value ;; esac
  if grep -q "^$name=" "$beside"; then
    sed -i "s/^$name=.*/$name=$value/" "$beside"
  else
    echo "$name=$value" >>"$beside"
  fi
  made=$((made + 1))
done
mv "$beside" "$file"
echo "$made secrets made in $file"
