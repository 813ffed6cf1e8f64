# Stands in for the node exporter's own image: Debian's (1.5 instead of 1.9).
FROM python:3.11-slim
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends prometheus-node-exporter wget \
    && rm -rf /var/lib/apt/lists/*
USER nobody
ENTRYPOINT ["/usr/bin/prometheus-node-exporter"]
