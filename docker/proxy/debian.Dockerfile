# Caddy out of Debian's packages, under the name of its official image, for machines that reach no
# container registry (docker/smoke.sh builds it there).
ARG PYTHON_IMAGE=python:3.11-slim-bookworm@sha256:0bee7276f83efd4a1ee05bbbf4281d95ed28e079220a9457f25a93e3f1e3c31b
FROM ${PYTHON_IMAGE}
RUN apt-get update \
    && apt-get install -y --no-install-recommends caddy curl \
    && rm -rf /var/lib/apt/lists/*
ENV XDG_DATA_HOME=/data \
    XDG_CONFIG_HOME=/config
CMD ["caddy", "run", "--config", "/etc/caddy/Caddyfile", "--adapter", "caddyfile"]
