# MLflow's tracking server, with the versions that LeafGate was tested with. Build from the
# repository's root.
ARG PYTHON_IMAGE=python:3.11-slim-bookworm@sha256:0bee7276f83efd4a1ee05bbbf4281d95ed28e079220a9457f25a93e3f1e3c31b
FROM ${PYTHON_IMAGE} AS build
COPY docker/build.sh /build/
COPY docker/requirements /build/requirements
RUN sh /build/build.sh environment mlflow

FROM ${PYTHON_IMAGE}
RUN useradd --uid 10001 --create-home --home-dir /var/lib/mlflow mlflow \
    && chmod 700 /var/lib/mlflow
COPY --from=build /opt/venv /opt/venv
COPY docker/healthy.py docker/mlflow/start.sh docker/mlflow/accounts.py /opt/

USER 10001
WORKDIR /var/lib/mlflow
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONWARNINGS=ignore \
    HOME=/tmp
VOLUME /var/lib/mlflow
EXPOSE 5000
CMD ["sh", "/opt/start.sh"]
