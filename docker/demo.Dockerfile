# Everything in one image: the demo, or any `leafgate` command. Build from the repository's root.
FROM python:3.11-slim-bookworm

RUN apt-get update \
    && apt-get install -y --no-install-recommends curl unixodbc \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 10001 leafgate

WORKDIR /app
COPY requirements.txt ./
RUN python -m pip install --no-cache-dir --require-hashes -r requirements.txt
COPY . .
RUN python -m pip install --no-cache-dir --no-deps --no-build-isolation -e . \
    && mkdir -p /state && chown leafgate /state

USER leafgate
ENV LEAFGATE_VAR_DIR=/state LEAFGATE_HOST=0.0.0.0 PYTHONUNBUFFERED=1
VOLUME /state
EXPOSE 8000 8501 5000
ENTRYPOINT ["leafgate"]
CMD ["demo"]
