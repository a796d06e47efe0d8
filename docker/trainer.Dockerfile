# Training, gating and promoting: every `leafgate` command. REQUIREMENTS=trainer-gpu puts the CUDA
# libraries in. Build from the repository's root.
ARG PYTHON_IMAGE=python:3.11-slim-bookworm@sha256:0bee7276f83efd4a1ee05bbbf4281d95ed28e079220a9457f25a93e3f1e3c31b
FROM ${PYTHON_IMAGE} AS build
ARG REQUIREMENTS=trainer
COPY docker/build.sh /build/
COPY docker/requirements /build/requirements
RUN sh /build/build.sh environment "$REQUIREMENTS"
ARG ODBC_DRIVER=microsoft
RUN sh /build/build.sh odbc "$ODBC_DRIVER"
WORKDIR /src
COPY . .
RUN sh /build/build.sh leafgate

FROM ${PYTHON_IMAGE}
ARG ODBC_DRIVER=microsoft
COPY --from=build /opt/odbc /opt/odbc
COPY docker/odbc /opt/odbc/setup
RUN sh /opt/odbc/setup/install.sh "$ODBC_DRIVER" \
    && useradd --uid 10001 --create-home --home-dir /var/lib/leafgate leafgate \
    && chmod 700 /var/lib/leafgate \
    && install --directory --owner leafgate --mode 700 /var/lib/leafgate/tmp
COPY --from=build /opt/venv /opt/venv
COPY --from=build /opt/leafgate /opt/leafgate
COPY docker/healthy.py /opt/healthy.py

USER 10001
WORKDIR /var/lib/leafgate
ENV PATH=/opt/leafgate/bin:/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    LEAFGATE_VAR_DIR=/var/lib/leafgate \
    HOME=/var/lib/leafgate \
    TMPDIR=/var/lib/leafgate/tmp
VOLUME /var/lib/leafgate
CMD ["leafgate", "--help"]
