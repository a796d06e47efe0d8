#!/bin/sh
# Makes a driver for SQL Server known to unixODBC, and the stack's server as the data source `leafgate` by
# it; in an image's last stage, as root.
#
#   install.sh microsoft   ODBC Driver 18, which the build stage left in /opt/odbc (docker/build.sh)
#   install.sh freetds     FreeTDS, free software
#   install.sh none        no driver: for PostgreSQL alone
set -eu
driver=$1
here=$(dirname "$0")

case $driver in
  microsoft) packages="unixodbc libltdl7 libgssapi-krb5-2" ;;
  freetds) packages="unixodbc tdsodbc" ;; # which tells unixODBC of it
  none) exit 0 ;;
  *)
    echo "ODBC_DRIVER=$driver is none of: microsoft, freetds, none" >&2
    exit 2
    ;;
esac
apt-get update
# shellcheck disable=SC2086 # several words on purpose
apt-get install -y --no-install-recommends $packages
rm -rf /var/lib/apt/lists/*
cat "$here/$driver.ini" >>/etc/odbc.ini
if [ "$driver" = microsoft ]; then
  cat "$here/driver.ini" >>/etc/odbcinst.ini
  cd /opt/odbc/lib # it finds its messages from there
  ln -s libmsodbcsql-18.*.so* libmsodbcsql-18.so
fi
