#!/bin/sh
# The build stage of an image, as root:
#
#   build.sh environment NAME         /opt/venv with the packages of docker/requirements/NAME.txt
#   build.sh odbc DRIVER              /opt/odbc with what docker/odbc/install.sh expects for the driver
#   build.sh leafgate                 LeafGate itself, which that environment looks for in /opt/leafgate;
#                                     in the repository's root. Apart, so that a change of it is a
#                                     small layer of the image
set -eu
requirements=$(dirname "$0")/requirements
python=/opt/venv/bin/python
install() { uv pip install --quiet --no-cache --compile-bytecode --python $python "$@"; }

case $1 in
  environment)
    python -m pip install --no-cache-dir --quiet --root-user-action=ignore --require-hashes \
      -r "$requirements/build.txt"
    python -m venv --without-pip /opt/venv
    install --require-hashes -r "$requirements/$2.txt"
    echo /opt/leafgate >"$($python -c 'import site; print(site.getsitepackages()[0])')/leafgate.pth"
    ;;
  odbc)
    mkdir -p /opt/odbc
    if [ "$2" = microsoft ]; then
      uv pip install --quiet --no-cache --require-hashes --target /odbc -r "$requirements/odbc.txt"
      cp -r /odbc/mssql_python_odbc/libs/linux/debian_ubuntu/x86_64/. /opt/odbc/ # and its licence
    fi
    ;;
  leafgate)
    python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir /wheels .
    install --no-deps --target /opt/leafgate /wheels/leafgate-*.whl
    ;;
esac
