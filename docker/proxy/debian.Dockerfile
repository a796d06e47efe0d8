# Caddy out of Debian's packages, under the name of its official image, for machines that reach no
# container registry (docker/smoke.sh builds it there).
FROM python:3.11-slim-bookworm
RUN apt-get update \
    && apt-get install -y --no-install-recommends caddy curl \
    && rm -rf /var/lib/apt/lists/*
ENV XDG_DATA_HOME=/data \
    XDG_CONFIG_HOME=/config
CMD ["caddy", "run", "--config", "/etc/caddy/Caddyfile", "--adapter", "caddyfile"]
